-- retention.measured: sums of a measure over the users of each cohort, by column.  Caller: query_api/retention.py _measured()
-- Params: those of retention.patterns, whose pattern is here the pairs (period after the cohort's, value) of the measured
--         events; column_from, column_to Array(UInt16): periods of each column, both included; fragment patterns
-- Rows:   cohort UInt16, key String (packed), sums Array(Float64): one for each column
-- Source: all users of the cohort, whether they returned or not.
SELECT
    cohort,
    key,
    sumForEach(
        arrayMap(
            (first, last) -> arraySum(
                pair -> if(pair.1 BETWEEN first AND last, pair.2, 0), pattern
            ),
            {column_from:Array(UInt16)},
            {column_to:Array(UInt16)}
        )
    ) AS sums
FROM
(
    {{patterns}}
)
GROUP BY
    cohort,
    key
