-- summary.activity_events: session and kind of an event.  Caller: query_api/summary.py _numbers()
-- Params: fragments active, page_view (conditions)
-- Rows:   columns of events: session UInt64, is_silent (without a session_id), at_ms Int64, is_active, is_page_view Bool
-- Source: Ask.computed: shards compute them.
cityHash64(app_id, session_id) AS session,
empty(session_id) AS is_silent,
toUnixTimestamp64Milli(occurred_at) AS at_ms,
toBool({{active}}) AS is_active,
toBool({{page_view}}) AS is_page_view
