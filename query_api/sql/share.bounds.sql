-- share.bounds: how many pairs each sharer has.  Caller: query_api/share_sql.py
-- Params: fragment pairs (share.pairs)
-- Rows:   sharer, bound UInt64
SELECT
    sharer,
    count() AS bound
FROM
(
    {{pairs}}
)
GROUP BY sharer
