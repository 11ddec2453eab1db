-- sessions.users: the users with a session of a cell.  Caller: query_api/sessions.py users()
-- Params: those of sessions.visits; cell_bucket_ms Int64 (0: the whole range); fragments visits, in_cell (a condition), in_key
-- Rows:   user UInt64, each once
-- Source: the same rows that sessions.measures and sessions.pages count.
SELECT user
FROM
(
    {{visits}}
)
WHERE ({cell_bucket_ms:Int64} = 0 OR bucket_ms = {cell_bucket_ms:Int64})
    AND {{in_cell}}
    AND {{in_key}}
GROUP BY user
