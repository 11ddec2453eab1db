-- sessions.long: the session_ids that must be cut or clamped.  Caller: query_api/sessions.py _visits()
-- Params: follow_ms Int64; fragment events (sessions.events)
-- Rows:   user UInt64, session UInt64
-- Source: few: a client whose session_id lives longer than follow_ms
SELECT
    user,
    session
FROM
(
    {{events}}
)
WHERE NOT is_silent
GROUP BY
    user,
    session
HAVING max(at_ms) - min(at_ms) > {follow_ms:Int64}
