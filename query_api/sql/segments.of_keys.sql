-- segments.of_keys: persons by the segments they are in and all keys.  Caller: query_api/segment_comparison.py _counted()
-- Params: fragment persons (segments.persons)
-- Rows:   mask UInt64; key String (packed); users UInt64
-- Source: each row of segments.persons is one person.
SELECT
    mask,
    key,
    count() AS users
FROM
(
    {{persons}}
)
GROUP BY
    mask,
    key
