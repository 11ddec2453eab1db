-- console.progress: what the running statements of a question have read.  Caller: query_api/console/progress.py
-- Params: query_id String (of the question; its statements are <query_id>-1, …)
-- Rows:   one: rows_read, rows_to_read UInt64 (what ClickHouse knows by now that they will read); both 0 while none runs
-- Source: statements of this API's own user, which is all that it sees here.
SELECT
    sum(read_rows) AS rows_read,
    sum(greatest(total_rows_approx, read_rows)) AS rows_to_read
FROM system.processes
WHERE is_initial_query
    AND startsWith(query_id, concat({query_id:String}, '-'))
