-- retention.counts: users of every cell.  Caller: query_api/retention.py _counted()
-- Params: those of retention.patterns; fragments shown (retention.alike, with per_user.shown), returns (a pattern as an array), hits (retention.hits_*), first_return
-- Rows:   cohort UInt16, key String (packed), cell Int32 (-1: is in the cohort; n: in the n-th column; 1000 + n: returned for
--         the first time n periods after the cohort's), users UInt64; cells without users are absent
-- Source: a user stands in a cohort under one key, so "other" is a sum.
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
            {{shown}}
        )
    )
)
GROUP BY
    cohort,
    key,
    cell
SETTINGS enable_materialized_cte = 1
