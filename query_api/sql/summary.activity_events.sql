-- summary.activity_events: session and kind of an event.  Caller: query_api/summary.py _parts()
-- Params: fragments active, page_view, share (conditions)
-- Rows:   columns of events: session UInt64 (47 bits that tell sessions of one person apart, a bit for those without a session_id, 16 for the
--         number of a period), at_ms Int64, is_active, is_page_view, is_share Bool
-- Source: Ask.computed: shards compute them.
bitOr(bitAnd(cityHash64(app_id, session_id), 0xFFFFFFFFFFFE0000), toUInt64(empty(session_id)) * 0x10000) AS session,
toUnixTimestamp64Milli(occurred_at) AS at_ms,
toBool({{active}}) AS is_active,
toBool({{page_view}}) AS is_page_view,
toBool({{share}}) AS is_share
