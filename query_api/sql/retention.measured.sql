-- retention.measured: a measure over the users of each cohort, by period.  Caller: query_api/retention.py _measured()
-- Params: those of retention.patterns, whose pattern is here the pairs (period after the cohort's, value) of the measured
--         events; fragments patterns, users (retention.measured_users, or nothing)
-- Rows:   cohort UInt16, key String (packed), period Int32 (after the cohort's), amount (the sum), least, most Float64, events UInt64. Period
--         -1 - n: its events are the users with a measured event in column n
-- Source: all users of the cohort, whether they returned or not. A column is the sum of its periods.
SELECT
    cohort,
    key,
    one.1 AS period,
    {{exact_sum(one.2)}} AS amount,
    count() AS events,
    min(one.2) AS least,
    max(one.2) AS most
FROM
(
    SELECT
        cohort,
        key,
        arrayJoin(arrayConcat(pattern{{users}})) AS one
    FROM
    (
        {{patterns}}
    )
)
GROUP BY
    cohort,
    key,
    period
