-- sessions.grouped: what the events of each session_id add up to.  Caller: query_api/sessions.py _whole()
-- Params: fragments events (sessions.events), part (sessions.part), first_key (of a session)
-- Rows:   user, session UInt64, has_silent UInt8, start_ms, end_ms Int64, places Array(UInt128), page_views UInt32, passes Bool, key String
-- Source: aggregates only: a quarter of the work of sorted arrays.
SELECT
    user,
    {{part}},
    {{first_key}} AS key
FROM
(
    {{events}}
)
GROUP BY
    user,
    session
