-- sessions.flags: the session of an event, and what it is in it.  Caller: query_api/sessions.py _events()
-- Params: fragments is_page_view and passes (conditions)
-- Rows:   columns of events: session UInt64 (hash of app_id and session_id), is_silent UInt8 (without a session_id), flags UInt8 (1: a page
--         view, 2: passes the filter)
-- Source: Ask.computed: shards compute them.
cityHash64(app_id, session_id) AS session,
session_id = '' AS is_silent,
toUInt8(({{is_page_view}}) + 2 * ({{passes}})) AS flags
