-- exchange.out_counts: exits and users of every row.  Caller: query_api/exchange.py answer()
-- Params: those of exchange.out; fragment out
-- Rows:   key String (packed; empty: the total), exits, users_out UInt64
SELECT
    key,
    sum(o.exits) AS exits,
    uniqExact(user) AS users_out
FROM
(
    {{out}}
) AS o
GROUP BY GROUPING SETS
(
    (key),
    ()
)
