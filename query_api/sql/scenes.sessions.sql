-- scenes.sessions: sessions by the row of their first entry.  Caller: query_api/scenes.py _sessions()
-- Params: range_from_ms, range_to_ms Int64 (epoch ms, end exclusive); fragments sessions (scenes.sessions_whole or _cut), none (the entry
--         of a session that is in no row), names (scenes.key_names, joined by
--         entry, or nothing), key (of a row)
-- Rows:   key String (packed; empty: the total), sessions UInt64, bounces, page_views UInt64, median_stay_ms,
--         mean_stay_ms Float64, undecided UInt8 (of any: then the numbers do not hold)
-- Source: a session counts where its first event lies in the range and its first app_launch or app_show matches the filter.
SELECT
    {{key}} AS key,
    sessions,
    bounces,
    page_views,
    median_stay_ms,
    mean_stay_ms,
    any_undecided AS undecided
FROM
(
    SELECT
        entry,
        count() AS sessions,
        countIf(views <= 1) AS bounces,
        sum(views) AS page_views,
        quantileExactInclusive(0.5)(last_ms - first_ms) AS median_stay_ms,
        avg(last_ms - first_ms) AS mean_stay_ms,
        max(undecided) AS any_undecided
    FROM
    (
        {{sessions}}
    )
    WHERE (entry != {{none}} OR undecided)
        AND first_ms >= {range_from_ms:Int64}
        AND first_ms < {range_to_ms:Int64}
    GROUP BY GROUPING SETS
    (
        (entry),
        ()
    )
) AS counted
{{names}}
