-- segments.compare: persons by the segments they are in.  Caller: query_api/segment_comparison.py answer()
-- Params: fragment persons (segments.persons)
-- Rows:   mask UInt64; key String (packed); users UInt64
-- Source: sizes, overlaps and shares are sums of these rows.
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
