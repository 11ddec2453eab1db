-- distribution.users: the users of a cell.  Caller: query_api/distribution.py users()
-- Params: those of distribution.values; cell_bucket_ms Int64, cell_bucket UInt16 (0: all); fragments values, in_key
-- Rows:   user UInt64, each once
-- Source: the same rows that distribution.buckets counts.
SELECT user
FROM
(
    {{values}}
)
WHERE bucket_ms = {cell_bucket_ms:Int64}
    AND ({cell_bucket:UInt16} = 0 OR bucket = {cell_bucket:UInt16})
    AND {{in_key}}
