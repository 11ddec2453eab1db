-- sessions.measures: numbers of every period, of the whole range, of every bucket and of every page.  Caller: query_api/sessions.py
--         _counted()
-- Params: those of sessions.visits; fragments visits, shown (the same, or per_user.ranked over them), pages (sessions.pages, or nothing)
-- Rows:   kind UInt8: 1 numbers, 2 a page, 3 what was left out. With 1: bucket_ms Int64 (0: the whole range), key String (packed),
--         duration_slot, depth_slot UInt16 (0: all; else the range by duration or by depth), sessions, users, clamped, bounces,
--         with_page, page_view_sum UInt64, duration_sum Int64, durations Array(Float64) (50, 90 %), median_depth Float64. With 2: as
--         sessions.pages. With 3: left_out Array(UInt8), the kinds of sessions that are in no number
-- Source: one pass over events; percentiles exact, interpolated between neighbours.
SELECT *
FROM
(
    WITH visits AS MATERIALIZED
    (
        {{visits}}
    )
    SELECT
        toUInt8(1) AS kind,
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
        quantileExactInclusive(0.5)(page_views) AS median_depth,
        '' AS page,
        emptyArrayUInt64() AS of_page,
        emptyArrayUInt8() AS left_out
    FROM {{shown}}
    WHERE irregular = 0
    GROUP BY GROUPING SETS
    (
        (bucket_ms, key),
        (key),
        (key, duration_slot),
        (key, depth_slot)
    )
    {{pages}}
    UNION ALL
    SELECT
        toUInt8(3), toInt64(0), '', toUInt16(0), toUInt16(0),
        toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toInt64(0), emptyArrayFloat64(), toFloat64(0),
        '', emptyArrayUInt64(), groupUniqArray(irregular)
    FROM visits
    WHERE irregular != 0
)
SETTINGS enable_materialized_cte = 1
