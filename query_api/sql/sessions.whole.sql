-- sessions.whole: sessions whose session_id lies within follow_ms: nothing to cut.  Caller: query_api/sessions.py _visits()
-- Params: follow_ms, visit_from_ms, visit_to_ms Int64; fragments events (sessions.events), pages, entry_page, exit_page
--         (of the page views), first_key (of a session)
-- Rows:   as sessions.cut
-- Source: one pass, aggregates only: a quarter of the work of sorted arrays.
SELECT
    user,
    session,
    start_ms,
    toUInt8(0) AS is_clamped,
    end_ms - start_ms AS duration_ms,
    pages,
    entry_page,
    exit_page,
    page_views,
    key
FROM
(
    SELECT
        user,
        session,
        min(at_ms) AS start_ms,
        max(at_ms) AS end_ms,
        {{pages}} AS pages,
        {{entry_page}} AS entry_page,
        {{exit_page}} AS exit_page,
        toUInt32(countIf(bitTest(flags, 0))) AS page_views,
        max(bitTest(flags, 1)) AS passes,
        {{first_key}} AS key
    FROM
    (
        {{events}}
    )
    WHERE NOT is_silent
    GROUP BY
        user,
        session
)
WHERE end_ms - start_ms <= {follow_ms:Int64}
    AND start_ms >= {visit_from_ms:Int64}
    AND start_ms < {visit_to_ms:Int64}
    AND passes
