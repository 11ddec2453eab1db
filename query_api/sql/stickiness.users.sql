-- stickiness.users: the users of a cell.  Caller: query_api/stickiness.py users()
-- Params: those of stickiness.active; cell_bucket UInt16, least_units, most_units UInt32; fragments active, in_key
-- Rows:   user UInt64, each once
-- Source: the same rows that stickiness.counts counts.
SELECT user
FROM
(
    {{active}}
)
WHERE bucket = {cell_bucket:UInt16}
    AND units >= {least_units:UInt32}
    AND units <= {most_units:UInt32}
    AND {{in_key}}
