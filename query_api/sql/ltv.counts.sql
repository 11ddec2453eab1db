-- ltv.counts: every cell of the table.  Caller: query_api/ltv.py _counted()
-- Params: those of ltv.cells; fragment cells (with per_user.shown)
-- Rows:   cohort UInt16, key String (packed), cell Int32, users UInt64 (of the cohort, or who paid for the first time), amount
--         Float64, undecided UInt8 (of any: then the numbers do not hold)
SELECT
    cohort,
    key,
    cell,
    countIf(cell = -1 OR is_first) AS users,
    {{exact_sum(amount)}} AS amount,
    max(undecided) AS undecided
FROM
(
    {{cells}}
)
GROUP BY
    cohort,
    key,
    cell
SETTINGS enable_materialized_cte = 1
