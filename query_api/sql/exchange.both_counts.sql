-- exchange.both_counts: users in and out of every row.  Caller: query_api/exchange.py answer()
-- Params: those of exchange.both; fragment both
-- Rows:   key String (packed; empty: the total), users_both UInt64
SELECT
    key,
    count() AS users_both
FROM
(
    {{both}}
)
GROUP BY key
