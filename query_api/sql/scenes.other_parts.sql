-- scenes.other_parts: the other events of an actor in a session.  Caller: query_api/scenes.py _first_entries()
-- Params: fragment session (scenes.session)
-- Rows:   columns of a SELECT with GROUP BY session: session UInt64, first_ms, last_ms Int64, views UInt64
-- Source: by_actor.py
{{session}},
min(toUnixTimestamp64Milli(occurred_at)) AS first_ms,
max(toUnixTimestamp64Milli(occurred_at)) AS last_ms,
countIf(event = 'page_view') AS views
