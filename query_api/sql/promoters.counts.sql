-- promoters.counts: every number of every promoter.  Caller: query_api/promoters.py answer()
-- Params: fragment facts (promoters.facts)
-- Rows:   promoter String ('' for none); counts UInt64; amount, base Float64; the largest base first
-- Source: one row for each fact.
SELECT
    promoter,
    uniqExactIf(user, kind = 1) AS bound_users,
    countIf(kind = 2) AS registrations,
    uniqExactIf(user, kind = 2) AS registered_users,
    countIf(kind = 3) AS orders,
    uniqExactIf(user, kind = 3) AS buyers,
    {{exact_sum(amount, kind = 3)}} AS amount,
    {{exact_sum(base, kind = 3)}} AS base
FROM
(
    {{facts}}
)
GROUP BY promoter
ORDER BY
    base DESC,
    orders DESC,
    registrations DESC,
    bound_users DESC,
    promoter
