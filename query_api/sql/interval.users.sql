-- interval.users: the users of a cell.  Caller: query_api/interval.py users()
-- Params: those of interval.pairs; cell_bucket_ms Int64 (0: the whole range), least_ms, below_ms Int64; fragments pairs, in_key
-- Rows:   user UInt64, each once
-- Source: the same rows that interval.measures counts.
SELECT user
FROM
(
    {{pairs}}
)
WHERE ({cell_bucket_ms:Int64} = 0 OR bucket_ms = {cell_bucket_ms:Int64})
    AND gap_ms >= {least_ms:Int64}
    AND gap_ms < {below_ms:Int64}
    AND {{in_key}}
GROUP BY user
