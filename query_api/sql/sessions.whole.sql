-- sessions.whole: the sessions of each session_id, one pass over the events.  Caller: query_api/sessions.py _whole()
-- Params: follow_ms, visit_from_ms, visit_to_ms Int64; fragments events (sessions.events), places (of the page views, in order), page (of a place), undecided
--         (a condition on places), first_key (of a session), wanted (a condition: which rows)
-- Rows:   as sessions.cut, and irregular UInt8: 0, or what sessions.cut has to look at: 1 (events without session_id, all of a user and
--         app), 2 (longer than follow_ms: to be cut or clamped), 3 (event_id decides which page came first or last)
-- Source: a session_id within follow_ms has no gap longer than that, so it is one session and is not clamped. Aggregates only: a
--         quarter of the work of sorted arrays.
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
        SELECT
            user,
            session,
            max(is_silent) AS has_silent,
            min(at_ms) AS start_ms,
            max(at_ms) AS end_ms,
            {{places}} AS places,
            toUInt32(countIf(bitTest(flags, 0))) AS page_views,
            max(bitTest(flags, 1)) AS passes,
            {{first_key}} AS key
        FROM
        (
            {{events}}
        )
        GROUP BY
            user,
            session
    )
)
WHERE {{wanted}}
