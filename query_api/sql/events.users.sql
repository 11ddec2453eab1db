-- events.users: the users of a cell.  Caller: query_api/events.py users()
-- Params: those of events.rows; cell_bucket_ms Int64 (0: the whole range); fragments rows, is_measure (a column), in_key
-- Rows:   user UInt64, each once
-- Source: the same rows as events.points.
SELECT user
FROM
(
    {{rows}}
)
WHERE {{is_measure}}
    AND ({cell_bucket_ms:Int64} = 0 OR bucket_ms = {cell_bucket_ms:Int64})
    AND {{in_key}}
GROUP BY user
