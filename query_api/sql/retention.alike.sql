-- retention.alike: users with one pattern, by all keys.  Caller: query_api/retention.py _counted()
-- Params: those of retention.patterns; fragments patterns (these, or retention.measured), measured_key, measured (columns with a comma
--         before them, or nothing)
-- Rows:   cohort UInt16, key String (packed), pattern, pattern_users UInt64; of a measure those of retention.measured_parts too
-- Source: users of one pattern are counted before their cells are written out: there are few patterns.
SELECT
    cohort,
    key,
    pattern,
    count() AS pattern_users{{measured}}
FROM
(
    {{patterns}}
)
GROUP BY
    cohort,
    key,
    pattern{{measured_key}}
