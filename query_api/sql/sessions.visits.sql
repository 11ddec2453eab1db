-- sessions.visits: the sessions that start in the range.  Caller: query_api/sessions.py _visits()
-- Params: gap_ms, follow_ms Int64; starts Array(Int64) (epoch ms of the periods); visit_from_ms, visit_to_ms Int64 (where a
--         session may start, end exclusive); duration_edges Array(Int64), depth_edges Array(UInt32) ascending from 0; fragments
--         source (all events, from follow_ms before the range to twice follow_ms after it), is_page_view and passes
--         (conditions), event_key and order (of an event), element (the tuple kept of an event: time, flags; and page, key, order
--         where something asks for them), sort and page_of (what of an element sorts, and is its page), first_key (of a
--         session), folded (of key)
-- Rows:   user UInt64, session UInt64 (hash of app_id and session_id), start_ms, bucket_ms Int64 (start of the period), duration_ms Int64, is_clamped,
--         pages Array(String) (of its page views, in order), page_views UInt32, duration_slot, depth_slot UInt16 (from 1), key
--         String (packed); one for each session
-- Source: one pass. A cut looks at neighbours only, so what lies further away than follow_ms changes nothing.
-- Order:  occurred_at, seq, event_id.
SELECT
    user,
    session,
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
        session,
        start_ms,
        length(visit_events) < length(visit) AS is_clamped,
        if(is_clamped, {follow_ms:Int64}, visit_events[-1].1 - start_ms) AS duration_ms,
        arrayMap(one -> {{page_of}}, arrayFilter(one -> bitTest(one.2, 0), visit_events)) AS pages,
        toUInt32(length(pages)) AS page_views,
        {{first_key}} AS key
    FROM
    (
        SELECT
            user,
            session,
            visit,
            visit[1].1 AS start_ms,
            arrayFilter(one -> one.1 <= start_ms + {follow_ms:Int64}, visit) AS visit_events
        FROM
        (
            SELECT
                user,
                session,
                arrayJoin(
                    arraySplit(
                        (one, before_ms) -> one.1 - before_ms > if(is_silent, {gap_ms:Int64}, {follow_ms:Int64}),
                        events_in_order,
                        arrayPushFront(arrayPopBack(arrayMap(one -> one.1, events_in_order)), events_in_order[1].1)
                    )
                ) AS visit
            FROM
            (
                SELECT
                    user,
                    session,
                    is_silent,
                    arraySort(
                        one -> {{sort}},
                        groupArray({{element}})
                    ) AS events_in_order
                FROM
                (
                    SELECT
                        user,
                        cityHash64(app_id, session_id) AS session,
                        session_id = '' AS is_silent,
                        toUnixTimestamp64Milli(occurred_at) AS at_ms,
                        toUInt8(({{is_page_view}}) + 2 * ({{passes}})) AS flags,
                        toString(page) AS page_name,
                        {{event_key}} AS event_key,
                        {{order}} AS event_order
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
        WHERE start_ms >= {visit_from_ms:Int64}
            AND start_ms < {visit_to_ms:Int64}
            AND arrayExists(one -> bitTest(one.2, 1), visit_events)
    )
)
