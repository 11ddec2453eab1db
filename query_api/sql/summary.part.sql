-- summary.part: what events of one session and period add up to.  Caller: query_api/summary.py _parts()
-- Params: starts Array(Int64) (epoch ms of the periods), end_ms Int64 (of the last one)
-- Rows:   columns of a SELECT with GROUP BY session, start_ms over those of summary.activity_events: session UInt64, start_ms Int64 (-1 outside the
--         periods), first_ms, last_ms Int64, has_silent, was_active Bool, page_views UInt64, first_active_ms Int64
-- Source: counts and extremes: parts of one session can be put together.
session,
if(at_ms >= {starts:Array(Int64)}[1] AND at_ms < {end_ms:Int64}, roundDown(at_ms, {starts:Array(Int64)}), -1) AS start_ms,
min(at_ms) AS first_ms,
max(at_ms) AS last_ms,
max(is_silent) AS has_silent,
countIf(is_page_view) AS page_views,
max(is_active) AS was_active,
minIf(at_ms, is_active) AS first_active_ms
