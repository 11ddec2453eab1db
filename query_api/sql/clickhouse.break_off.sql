-- clickhouse.break_off: takes the place of a running statement of the same query_id, which ends with it.  Caller:
--         query_api/clickhouse.py _break_off()
-- Params: none; replace_running_query must be 1
-- Rows:   one
SELECT 1 AS done
