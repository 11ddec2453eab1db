-- retention.patterns: each user's cohorts, and in each the periods in which the user returned.
-- Caller: query_api/retention_sql.py patterns_sql()
-- Params: fragments rows (retention.events, or those of by_actor.py with retention.of_actors_*), cohorts (retention.cohorts_*), cohort and
--         cohort_key (of one of them), states and pattern (of retention_sql.py: what is kept of the returning events, and the
--         periods after the cohort's that it means)
-- Rows:   user UInt64, cohort UInt16 (number of a period), key String (packed), pattern: the set of periods from 0, one
--         comparable value; each user once in a cohort
-- Source: one pass over events. Returning events count in the whole period of a cohort, also before the initial one.
SELECT
    user,
    {{cohort}} AS cohort,
    {{cohort_key}} AS key,
    {{pattern}} AS pattern
FROM
(
    SELECT
        * EXCEPT (cohorts),
        arrayJoin(cohorts) AS one_cohort
    FROM
    (
        SELECT
            user,
            {{cohorts}} AS cohorts,
            {{states}}
        FROM
        (
            {{rows}}
        )
        GROUP BY user
    )
)
