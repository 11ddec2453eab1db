-- sessions.part: what events of one session_id add up to.  Caller: query_api/sessions.py _whole()
-- Params: fragment places (an aggregate: page_place of the page views)
-- Rows:   columns of a SELECT with GROUP BY session over those of sessions.flags and sessions.places: session UInt64, has_silent UInt8,
--         start_ms, end_ms Int64, places Array(UInt128), page_views UInt32, passes Bool
-- Source: of each person's events, or of each actor's, whose parts sessions.grouped_by_actor puts together.
session,
max(is_silent) AS has_silent,
min(at_ms) AS start_ms,
max(at_ms) AS end_ms,
{{places}} AS places,
toUInt32(countIf(bitTest(flags, 0))) AS page_views,
max(bitTest(flags, 1)) AS passes
