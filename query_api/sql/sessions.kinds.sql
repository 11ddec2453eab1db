-- sessions.kinds: whether any session has to be looked for event by event.  Caller: query_api/sessions.py _kinds()
-- Params: follow_ms Int64; fragment events (sessions.events)
-- Rows:   one: silent UInt8 (an event without session_id), long UInt8 (a session_id over more than follow_ms)
-- Source: a session_id within follow_ms has no gap longer than that, so it is one session and is not clamped.
SELECT
    max(is_silent) AS silent,
    max(NOT is_silent AND last_ms - first_ms > {follow_ms:Int64}) AS long
FROM
(
    SELECT
        user,
        session,
        is_silent,
        min(at_ms) AS first_ms,
        max(at_ms) AS last_ms
    FROM
    (
        {{events}}
    )
    GROUP BY
        user,
        session,
        is_silent
)
