-- scenes.session: the session_id of an event in its app, as a number.  Caller: query_api/scenes.py _sessions()
-- Params: none
-- Rows:   a column of events: session UInt64
-- Source: Ask.computed: shards compute it.
cityHash64(app_id, session_id) AS session
