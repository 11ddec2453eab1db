-- scenes.sessions_cut: sessions with their first entry, whatever the log.  Caller: query_api/scenes.py _sessions()
-- Params: session_gap_ms Int64; fragments key (packed), matches, order (source.order), source (events of the range and a day before and
--         after it, with scenes.session)
-- Rows:   user UInt64, first_ms, last_ms Int64, views UInt64, entry String: key of the first app_launch or app_show, '' where it does not
--         match the filter or is not there
-- Source: one pass: events without session_id come as one group for each user and app and are cut at the gaps afterwards.
SELECT
    user,
    session.1 AS first_ms,
    session.2 AS last_ms,
    session.3 AS views,
    session.4 AS entry
FROM
(
    SELECT
        user,
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
                [(first_ms, last_ms, views, first_entry)]
            )
        ) AS session
    FROM
    (
        SELECT
            user,
            is_silent,
            min(at_ms) AS first_ms,
            max(at_ms) AS last_ms,
            countIf(is_page_view) AS views,
            argMinIf(entry, entry_order, is_entry) AS first_entry,
            arraySort(groupArrayIf((at_ms, entry_order, is_page_view, is_entry, entry), is_silent)) AS silent_events
        FROM
        (
            SELECT
                user,
                session,
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
            session,
            is_silent
    )
)
