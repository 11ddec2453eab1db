-- sessions.cut: sessions that are looked for event by event: cut at silence, clamped.  Caller: query_api/sessions.py _visits()
-- Params: gap_ms, follow_ms, visit_from_ms, visit_to_ms Int64; fragments events (sessions.events), only (a condition: those that
--         sessions.whole leaves out), element (the tuple kept of an event: time, flags; and page, key, order where something
--         asks for them), sort and page_of (what of an element sorts, and is its page), first_key (of a session)
-- Rows:   user, session UInt64, start_ms Int64, is_clamped UInt8, duration_ms Int64, pages Array(UInt64) (of its page views),
--         entry_page, exit_page UInt64 (of the first and the last page view, 0 without), page_views UInt32, key String (packed),
--         irregular UInt8 (0)
-- Source: one pass over sorted arrays. A cut looks at neighbours only, so what lies further away than follow_ms changes nothing.
SELECT
    user,
    session,
    start_ms,
    length(visit_events) < length(visit) AS is_clamped,
    if(is_clamped, {follow_ms:Int64}, visit_events[-1].1 - start_ms) AS duration_ms,
    arrayMap(one -> {{page_of}}, arrayFilter(one -> bitTest(one.2, 0), visit_events)) AS pages,
    pages[1] AS entry_page,
    pages[-1] AS exit_page,
    toUInt32(length(pages)) AS page_views,
    {{first_key}} AS key,
    toUInt8(0) AS irregular
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
                {{events}}
            )
            WHERE {{only}}
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
