-- scenes.sessions: sessions by the row of their first entry.  Caller: query_api/scenes.py answer()
-- Params: range_from_ms, range_to_ms Int64 (epoch ms, end exclusive); fragments key (packed), matches, order
--         (source.order), source (source.sessions over the range and a day before and after it)
-- Rows:   key String (packed; empty: the total), sessions UInt64, bounces UInt64, median_stay_ms Float64
-- Source: a session counts where its first event lies in the range and its first app_launch or app_show matches the filter.
SELECT
    key,
    count() AS sessions,
    countIf(page_views <= 1) AS bounces,
    quantileExactInclusive(0.5)(last_ms - first_ms) AS median_stay_ms
FROM
(
    SELECT
        min(at_ms) AS first_ms,
        max(at_ms) AS last_ms,
        countIf(is_page_view) AS page_views,
        argMinIf(entry_key, entry_order, is_entry) AS key,
        argMinIf(entry_matches, entry_order, is_entry) AS matches,
        countIf(is_entry) AS entries
    FROM
    (
        SELECT
            user,
            cityHash64(app_id, session_id, silent_session_ms) AS session,
            event = 'page_view' AS is_page_view,
            event IN ('app_launch', 'app_show') AS is_entry,
            toUnixTimestamp64Milli(occurred_at) AS at_ms,
            if(is_entry, {{key}}, '') AS entry_key,
            if(is_entry, {{order}}, '') AS entry_order,
            is_entry AND {{matches}} AS entry_matches
        FROM
        (
            {{source}}
        )
    )
    GROUP BY
        user,
        session
    HAVING entries > 0
        AND matches
        AND first_ms >= {range_from_ms:Int64}
        AND first_ms < {range_to_ms:Int64}
)
GROUP BY GROUPING SETS
(
    (key),
    ()
)
