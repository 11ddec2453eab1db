-- retention.measured: sums of a measure over the users of each cohort, by period.  Caller: query_api/retention.py _measured()
-- Params: those of retention.patterns, whose pattern is here the pairs (period after the cohort's, value) of the measured
--         events; fragment patterns
-- Rows:   cohort UInt16, key String (packed), period Int32 (after the cohort's), amount Float64
-- Source: all users of the cohort, whether they returned or not. A column is the sum of its periods.
SELECT
    cohort,
    key,
    one.1 AS period,
    {{exact_sum(one.2)}} AS amount
FROM
(
    SELECT
        cohort,
        key,
        arrayJoin(pattern) AS one
    FROM
    (
        {{patterns}}
    )
)
GROUP BY
    cohort,
    key,
    period
