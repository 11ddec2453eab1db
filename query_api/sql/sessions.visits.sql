-- sessions.visits: the sessions that start in the range.  Caller: query_api/sessions.py _visits()
-- Params: those of sessions.whole and sessions.cut; starts Array(Int64) (epoch ms of the periods); duration_edges Array(Int64),
--         depth_edges Array(UInt32) ascending from 0; fragment sessions (sessions.whole, with sessions.cut where there is
--         something to cut)
-- Rows:   user UInt64, session UInt64, start_ms, bucket_ms Int64 (start of the period), duration_ms Int64, is_clamped, pages
--         Array(UInt64), entry_page, exit_page UInt64, page_views UInt32, duration_slot, depth_slot UInt16 (from 1), key String (packed), irregular UInt8; one for each
--         session
-- Source: the events that make sessions; those that pass the filter choose among them.
-- Order:  occurred_at, seq, event_id.
SELECT
    user,
    session,
    start_ms,
    roundDown(start_ms, {starts:Array(Int64)}) AS bucket_ms,
    duration_ms,
    is_clamped,
    pages,
    entry_page,
    exit_page,
    page_views,
    toUInt16(arrayCount(edge -> edge <= duration_ms, {duration_edges:Array(Int64)})) AS duration_slot,
    toUInt16(arrayCount(edge -> edge <= page_views, {depth_edges:Array(UInt32)})) AS depth_slot,
    key,
    irregular
FROM
(
    {{sessions}}
)
