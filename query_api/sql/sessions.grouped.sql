-- sessions.grouped: what the events of each session_id add up to.  Caller: query_api/sessions.py _whole()
-- Params: fragments events (sessions.events), places (of the page views, in order), first_key (of a session)
-- Rows:   user, session UInt64, has_silent UInt8, start_ms, end_ms Int64, places Array(UInt128), page_views UInt32, passes Bool, key String
-- Source: aggregates only: a quarter of the work of sorted arrays.
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
