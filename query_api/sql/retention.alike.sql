-- retention.alike: users with one pattern, by all keys.  Caller: query_api/retention.py _counted()
-- Params: those of retention.patterns; fragment patterns
-- Rows:   cohort UInt16, key String (packed), pattern, pattern_users UInt64
-- Source: users of one pattern are counted before their cells are written out: there are few patterns.
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
