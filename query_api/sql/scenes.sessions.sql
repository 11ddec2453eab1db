-- scenes.sessions: sessions by the row of their first entry, whatever the log.  Caller: query_api/scenes.py _measured()
-- Params: range_from_ms, range_to_ms Int64 (epoch ms, end exclusive); fragment sessions (scenes.sessions_cut)
-- Rows:   key String (packed; empty: the total), sessions UInt64, bounces, page_views UInt64, median_stay_ms, mean_stay_ms Float64
-- Source: a session counts where its first event lies in the range and its first app_launch or app_show matches the filter.
SELECT
    entry AS key,
    count() AS sessions,
    countIf(views <= 1) AS bounces,
    sum(views) AS page_views,
    quantileExactInclusive(0.5)(last_ms - first_ms) AS median_stay_ms,
    avg(last_ms - first_ms) AS mean_stay_ms
FROM
(
    {{sessions}}
)
WHERE entry != ''
    AND first_ms >= {range_from_ms:Int64}
    AND first_ms < {range_to_ms:Int64}
GROUP BY GROUPING SETS
(
    (entry),
    ()
)
