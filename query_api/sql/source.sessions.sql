-- source.sessions: events with their session.  Caller: query_api/source.py with_sessions()
-- Params: session_gap_ms Int64; fragments events (a source), silent (a source of all events without session_id)
-- Rows:   those of events, and silent_session_ms Int64: 0 with a session_id, else the start of the silent session
-- Source: a session is (user, app_id, session_id, silent_session_ms). Events without session_id are cut where more than
--         the gap lies between one and the next of the same user and app, whatever the filter; cutting only the events of
--         the range changes no count, since a gap lies between neighbours.
SELECT
    e.*,
    if(
        e.session_id != '',
        0,
        arrayLast(start_ms -> start_ms <= toUnixTimestamp64Milli(e.occurred_at), s.starts)
    ) AS silent_session_ms
FROM
(
    {{events}}
) AS e
ANY LEFT JOIN
(
    SELECT
        user,
        app_id,
        arrayFilter(
            (at_ms, before_ms) -> at_ms - before_ms > {session_gap_ms:Int64},
            times,
            arrayPushFront(arrayPopBack(times), toInt64(-1000000000000000))
        ) AS starts
    FROM
    (
        SELECT
            user,
            app_id,
            arraySort(groupUniqArray(toUnixTimestamp64Milli(occurred_at))) AS times
        FROM
        (
            {{silent}}
        )
        GROUP BY
            user,
            app_id
    )
) AS s ON e.user = s.user AND e.app_id = s.app_id
