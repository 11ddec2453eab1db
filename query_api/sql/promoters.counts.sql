-- promoters.counts: every number of every promoter.  Caller: query_api/promoters.py answer()
-- Params: fragment facts (promoters.facts)
-- Rows:   promoter String ('' for none), all_promoters UInt8 (1: all promoters together, the row without one left out); counts
--         UInt64; amount, base Float64; the largest base first
-- Source: one row for each fact.
SELECT
    promoter,
    promoter != '' AS is_due,
    grouping(promoter) AS all_promoters,
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
GROUP BY GROUPING SETS
(
    (promoter, is_due),
    (is_due)
)
HAVING is_due OR NOT all_promoters
ORDER BY
    base DESC,
    orders DESC,
    registrations DESC,
    bound_users DESC,
    promoter
