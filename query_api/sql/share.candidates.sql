-- share.candidates: the sharers with the most pairs.  Caller: query_api/share_sql.py
-- Params: candidates UInt32
-- Rows:   sharer UInt64
SELECT sharer
FROM bounds
ORDER BY
    bound DESC,
    sharer
LIMIT {candidates:UInt32}
