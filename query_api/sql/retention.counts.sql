-- retention.counts: users of every cell.  Caller: query_api/retention.py _counted()
-- Params: those of retention.patterns; fragments patterns, returns (a pattern as an array), hits (retention.hits_*), first_return
-- Rows:   cohort UInt16, key String (packed), cell Int32 (-1: is in the cohort; n: in the n-th column; 1000 + n: returned for
--         the first time n periods after the cohort's), users UInt64; cells without users are absent
-- Source: users of one pattern are counted before their cells are written out: there are few patterns.
SELECT
    cohort,
    key,
    cell,
    sum(pattern_users) AS users
FROM
(
    SELECT
        cohort,
        key,
        pattern_users,
        arrayJoin(arrayConcat([toInt32(-1)], {{hits}}, {{first_return}})) AS cell
    FROM
    (
        SELECT
            cohort,
            key,
            {{returns}} AS returns,
            pattern_users
        FROM
        (
            SELECT
                cohort,
                key,
                pattern,
                count() AS pattern_users
            FROM
            (
                {{patterns}}
            )
            GROUP BY
                cohort,
                key,
                pattern
        )
    )
)
GROUP BY
    cohort,
    key,
    cell
