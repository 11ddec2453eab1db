-- segments.compare: persons by the segments they are in and the keys shown.  Caller: query_api/segment_comparison.py _counted()
-- Params: fragment shown (segments.of_keys, with per_user.shown)
-- Rows:   mask UInt64; key String (packed); users UInt64
-- Source: sizes, overlaps and shares are sums of these rows.
SELECT
    mask,
    key,
    sum(of_key.users) AS users
FROM
(
    {{shown}}
) AS of_key
GROUP BY
    mask,
    key
SETTINGS enable_materialized_cte = 1
