-- retention.patterns: each user's cohorts, and in each the periods in which the user returned.
-- Caller: query_api/retention_sql.py patterns_sql()
-- Params: initial_from_ms, initial_to_ms, returning_from_ms Int64; fragments initial, returning, key (packed), order
--         (source.order), period (number of an event's period), value (of a measured one;
--         expressions over events), cohorts (retention.cohorts_*),
--         cohort and cohort_key (of one of them), states and pattern (of retention_sql.py: what is kept of the returning
--         events, and the periods after the cohort's that it means), source
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
            SELECT
                user,
                {{order}} AS event_order,
                toUnixTimestamp64Milli(occurred_at) AS at_ms,
                {{period}} AS period,
                {{key}} AS packed_key,
                {{value}} AS measured_value,
                ({{initial}}) AND at_ms >= {initial_from_ms:Int64} AND at_ms < {initial_to_ms:Int64} AS is_initial,
                ({{returning}}) AND at_ms >= {returning_from_ms:Int64} AS is_returning
            FROM
            (
                {{source}}
            )
        )
        GROUP BY user
    )
)
