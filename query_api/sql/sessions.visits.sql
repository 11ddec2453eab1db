-- sessions.visits: the sessions that start in the range.  Caller: query_api/sessions.py _visits()
-- Params: gap_ms, follow_ms Int64; starts Array(Int64) (epoch ms of the periods); visit_from_ms, visit_to_ms Int64 (where a
--         session may start, end exclusive); duration_edges Array(Int64), depth_edges Array(UInt32) ascending from 0; fragments
--         source (all events, from follow_ms before the range to twice follow_ms after it), is_page_view and passes
--         (conditions), event_key (of an event), first_key (of a session), folded (of key)
-- Rows:   user UInt64, app_id, session_id, start_ms, bucket_ms Int64 (start of the period), duration_ms Int64, is_clamped,
--         pages Array(String) (of its page views, in order), page_views UInt32, duration_slot, depth_slot UInt16 (from 1), key
--         Array(String); one for each session
-- Source: one pass. A cut looks at neighbours only, so what lies further away than follow_ms changes nothing.
-- Order:  occurred_at, seq, event_id.
SELECT
    user,
    app_id,
    session_id,
    start_ms,
    roundDown(start_ms, {starts:Array(Int64)}) AS bucket_ms,
    duration_ms,
    is_clamped,
    pages,
    page_views,
    toUInt16(arrayCount(edge -> edge <= duration_ms, {duration_edges:Array(Int64)})) AS duration_slot,
    toUInt16(arrayCount(edge -> edge <= page_views, {depth_edges:Array(UInt32)})) AS depth_slot,
    {{folded}} AS key
FROM
(
    SELECT
        user,
        app_id,
        session_id,
        start_ms,
        length(visit_events) < length(visit) AS is_clamped,
        if(is_clamped, {follow_ms:Int64}, visit_events[-1].1 - start_ms) AS duration_ms,
        arrayMap(one -> one.5, arrayFilter(one -> one.4, visit_events)) AS pages,
        toUInt32(length(pages)) AS page_views,
        {{first_key}} AS key
    FROM
    (
        SELECT
            user,
            app_id,
            session_id,
            visit,
            visit[1].1 AS start_ms,
            arrayFilter(one -> one.1 <= start_ms + {follow_ms:Int64}, visit) AS visit_events
        FROM
        (
            SELECT
                user,
                app_id,
                session_id,
                arrayJoin(
                    arraySplit(
                        (one, before_ms) -> one.1 - before_ms > if(session_id = '', {gap_ms:Int64}, {follow_ms:Int64}),
                        events_in_order,
                        arrayPushFront(arrayPopBack(arrayMap(one -> one.1, events_in_order)), events_in_order[1].1)
                    )
                ) AS visit
            FROM
            (
                SELECT
                    user,
                    app_id,
                    session_id,
                    arraySort(
                        one -> (one.1, one.2, one.3),
                        groupArray((at_ms, seq, event_id, is_page_view, page, passes, event_key))
                    ) AS events_in_order
                FROM
                (
                    SELECT
                        user,
                        app_id,
                        session_id,
                        toUnixTimestamp64Milli(occurred_at) AS at_ms,
                        seq,
                        event_id,
                        toBool({{is_page_view}}) AS is_page_view,
                        page,
                        toBool({{passes}}) AS passes,
                        {{event_key}} AS event_key
                    FROM
                    (
                        {{source}}
                    )
                )
                GROUP BY
                    user,
                    app_id,
                    session_id
            )
        )
        WHERE start_ms >= {visit_from_ms:Int64}
            AND start_ms < {visit_to_ms:Int64}
            AND arrayExists(one -> one.6, visit_events)
    )
)
