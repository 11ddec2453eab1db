-- summary.part: what events of one session and period add up to.  Caller: query_api/summary.py _parts()
-- Params: starts Array(Int64) (epoch ms of the periods), end_ms Int64 (of the last one), no_period UInt16; fragments number (of an event's period),
--         amounts (of the orders)
-- Rows:   columns of a SELECT with GROUP BY place over those of summary.activity_events: place UInt64 (session, in its low bits the number of the
--         period, or no_period), first_ms, last_ms Int64, first_active_ms Int64 (0: none), page_views, shares UInt64, amounts Array(Float64)
-- Source: counts and extremes: parts of one session can be put together. Session and period in one number, and with the actor in 16
--         bytes: a fifth less than by three (DESIGN-reports.md).
bitOr(session, if(at_ms >= {starts:Array(Int64)}[1] AND at_ms < {end_ms:Int64}, {{number}}, {no_period:UInt16})) AS place,
min(at_ms) AS first_ms,
max(at_ms) AS last_ms,
minIf(at_ms, is_active) AS first_active_ms,
countIf(is_page_view) AS page_views,
countIf(is_share) AS shares,
{{amounts}} AS amounts
