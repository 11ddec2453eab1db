-- source.no_silent: as source.sessions, where every event has a session_id.  Caller: query_api/source.py with_sessions()
-- Params: fragment events (a source)
-- Rows:   those of events, and silent_session_ms Int64: 0
-- Source: nothing to cut.
SELECT
    *,
    toInt64(0) AS silent_session_ms
FROM
(
    {{events}}
)
