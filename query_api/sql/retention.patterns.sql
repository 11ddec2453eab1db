-- retention.patterns: each user's cohorts, and in each the periods in which the user returned.
-- Caller: query_api/retention_sql.py patterns_sql()
-- Params: fragments collected (by_actor.collected, over retention.events), cohorts (of retention_sql.py: each a period, or a tuple of
--         retention.cohorts_every), cohort and cohort_key (of one of them), pattern (the periods after the cohort's that the kept
--         returning events mean), measured (a column with a comma before it: pairs of the period after the cohort's and the value of
--         measured events; or nothing)
-- Rows:   user UInt64, cohort UInt16 (number of a period), key String (packed), pattern: the set of periods from 0, one
--         comparable value; each user once in a cohort
-- Source: one pass over events. Returning events count in the whole period of a cohort, also before the initial one.
SELECT
    user,
    {{cohort}} AS cohort,
    {{cohort_key}} AS key,
    {{pattern}} AS pattern{{measured}}
FROM
(
    SELECT
        *,
        arrayJoin({{cohorts}}) AS one_cohort
    FROM
    (
        {{collected}}
    )
)
