-- clickhouse.ping: can the tables be read.  Caller: query_api/clickhouse.py ping()
-- Params: none
-- Rows:   one
SELECT count() AS tables
FROM
(
    SELECT 1
    FROM events
    LIMIT 1
)
