-- retention.measured_users: users of each cohort with a measured event, by column.  Caller: query_api/retention.py _measured()
-- Params: those of retention.patterns, whose pattern is here the pairs (period after the cohort's, value) of the measured
--         events; column_from, column_to Array(UInt16): periods of each column, both included; fragment patterns
-- Rows:   cohort UInt16, key String (packed), users Array(UInt64): one for each column
-- Source: a user of a column with several periods counts once.
SELECT
    cohort,
    key,
    sumForEach(
        arrayMap(
            (first, last) -> toUInt64(arrayExists(pair -> pair.1 BETWEEN first AND last, pattern)),
            {column_from:Array(UInt16)},
            {column_to:Array(UInt16)}
        )
    ) AS users
FROM
(
    {{patterns}}
)
GROUP BY
    cohort,
    key
