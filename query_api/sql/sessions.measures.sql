-- sessions.measures: numbers of every period, of the whole range, and of every bucket.  Caller: query_api/sessions.py _series()
-- Params: those of sessions.visits; fragment visits
-- Rows:   bucket_ms Int64 (0: the whole range), key String (packed), duration_slot, depth_slot UInt16 (0: all; else the range by
--         duration or by depth), sessions, users, clamped, bounces, with_page, page_view_sum UInt64, duration_sum Int64,
--         durations Array(Float64) (50, 90 %), median_depth Float64
-- Source: one pass; percentiles exact, interpolated between neighbours.
SELECT
    bucket_ms,
    key,
    duration_slot,
    depth_slot,
    count() AS sessions,
    uniqExact(user) AS users,
    countIf(is_clamped) AS clamped,
    countIf(page_views <= 1) AS bounces,
    countIf(page_views >= 1) AS with_page,
    sum(page_views) AS page_view_sum,
    sum(duration_ms) AS duration_sum,
    quantilesExactInclusive(0.5, 0.9)(duration_ms) AS durations,
    quantileExactInclusive(0.5)(page_views) AS median_depth
FROM
(
    {{visits}}
)
GROUP BY GROUPING SETS
(
    (bucket_ms, key),
    (key),
    (key, duration_slot),
    (key, depth_slot)
)
