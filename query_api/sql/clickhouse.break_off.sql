-- clickhouse.break_off: ends a running statement of the same query_id by taking its place.  Caller: query_api/clickhouse.py
-- Params: none; replace_running_query must be 1
-- Rows:   one
-- Source: ClickHouse docs, replace_running_query; it works for statements of the same user.
SELECT 1 AS done
