-- scenes.sessions: sessions by the row of their first entry.  Caller: query_api/scenes.py answer()
-- Params: range_from_ms, range_to_ms Int64 (epoch ms, end exclusive), session_gap_ms Int64; fragments key (packed), matches,
--         order (source.order), source (events of the range and a day before and after it)
-- Rows:   key String (packed; empty: the total), sessions UInt64, bounces, page_views UInt64, median_stay_ms,
--         mean_stay_ms Float64
-- Source: a session counts where its first event lies in the range and its first app_launch or app_show matches the filter.
--         Its key is '' otherwise. One pass: events without session_id come as one group for each user and app and are cut
--         at the gaps afterwards.
SELECT
    session.4 AS key,
    count() AS sessions,
    countIf(session.3 <= 1) AS bounces,
    sum(session.3) AS page_views,
    quantileExactInclusive(0.5)(session.2 - session.1) AS median_stay_ms,
    avg(session.2 - session.1) AS mean_stay_ms
FROM
(
    SELECT
        arrayJoin(
            if(
                is_silent,
                arrayMap(
                    part -> (
                        part[1].1,
                        part[-1].1,
                        arrayCount(one -> one.3, part),
                        arrayFirst(one -> one.4, part).5
                    ),
                    arraySplit(
                        (one, before_ms) -> one.1 - before_ms > {session_gap_ms:Int64},
                        silent_events,
                        arrayResize(arrayPushFront(silent_events.1, silent_events[1].1), length(silent_events))
                    )
                ),
                [(first_ms, last_ms, page_views, first_entry)]
            )
        ) AS session
    FROM
    (
        SELECT
            is_silent,
            min(at_ms) AS first_ms,
            max(at_ms) AS last_ms,
            countIf(is_page_view) AS page_views,
            argMinIf(entry, entry_order, is_entry) AS first_entry,
            arraySort(groupArrayIf((at_ms, entry_order, is_page_view, is_entry, entry), is_silent)) AS silent_events
        FROM
        (
            SELECT
                user,
                cityHash64(app_id, session_id) AS app_and_session,
                session_id = '' AS is_silent,
                event = 'page_view' AS is_page_view,
                event IN ('app_launch', 'app_show') AS is_entry,
                toUnixTimestamp64Milli(occurred_at) AS at_ms,
                if(is_entry, {{order}}, '') AS entry_order,
                if(is_entry AND {{matches}}, {{key}}, '') AS entry
            FROM
            (
                {{source}}
            )
        )
        GROUP BY
            user,
            app_and_session,
            is_silent
    )
)
WHERE key != ''
    AND session.1 >= {range_from_ms:Int64}
    AND session.1 < {range_to_ms:Int64}
GROUP BY GROUPING SETS
(
    (key),
    ()
)
