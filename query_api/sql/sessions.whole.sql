-- sessions.whole: the sessions of each session_id, one pass over the events.  Caller: query_api/sessions.py _whole()
-- Params: follow_ms, visit_from_ms, visit_to_ms Int64; fragments grouped (sessions.grouped or _by_actor), page (of a place), undecided (a condition
--         on places), wanted (a condition: which rows)
-- Rows:   as sessions.cut, and irregular UInt8: 0, or what sessions.cut has to look at: 1 (events without session_id, all of a user and
--         app), 2 (longer than follow_ms: to be cut or clamped), 3 (event_id decides which page came first or last)
-- Source: a session_id within follow_ms has no gap longer than that, so it is one session and is not clamped.
SELECT
    user,
    session,
    start_ms,
    toUInt8(0) AS is_clamped,
    end_ms - start_ms AS duration_ms,
    arrayMap(place -> {{page}}, places) AS pages,
    pages[1] AS entry_page,
    pages[-1] AS exit_page,
    page_views,
    key,
    irregular
FROM
(
    SELECT
        *,
        toUInt8(multiIf(has_silent, 1, end_ms - start_ms > {follow_ms:Int64}, 2, {{undecided}}, 3, 0)) AS irregular
    FROM
    (
        {{grouped}}
    )
)
WHERE {{wanted}}
