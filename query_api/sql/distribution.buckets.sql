-- distribution.buckets: users of every bucket, and the whole of every period.  Caller: query_api/distribution.py _counted()
-- Params: those of distribution.values; fragment values (with per_user.shown)
-- Rows:   bucket_ms Int64, key String (packed), bucket UInt16 (0: all together), users UInt64, extra_events UInt64, extra_sum
--         Float64, extra_users UInt64, value_sum, least, most Float64, quantiles Array(Float64) (25, 50, 75, 90 %)
-- Source: each row of distribution.values is one user; percentiles exact, interpolated between neighbours.
SELECT
    bucket_ms,
    key,
    bucket,
    count() AS users,
    sum(extra_events) AS extra_events,
    {{exact_sum(extra_sum)}} AS extra_sum,
    countIf(extra_events_of_user > 0) AS extra_users,
    {{exact_sum(value)}} AS value_sum,
    min(value) AS least,
    max(value) AS most,
    quantilesExactInclusive(0.25, 0.5, 0.75, 0.9)(value) AS quantiles
FROM
(
    SELECT
        *,
        extra_events AS extra_events_of_user
    FROM
    (
        {{values}}
    )
)
GROUP BY GROUPING SETS
(
    (bucket_ms, key, bucket),
    (bucket_ms, key)
)
SETTINGS enable_materialized_cte = 1
