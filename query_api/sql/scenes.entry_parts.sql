-- scenes.entry_parts: the entries of an actor in a session.  Caller: query_api/scenes.py _first_entries()
-- Params: fragments session (scenes.session), place and mirrored_place (an entry as an order key)
-- Rows:   columns of a SELECT with GROUP BY session: session UInt64, first_ms, last_ms Int64, first_entry, first_mirrored UInt128
-- Source: by_actor.py
{{session}},
min(toUnixTimestamp64Milli(occurred_at)) AS first_ms,
max(toUnixTimestamp64Milli(occurred_at)) AS last_ms,
min({{place}}) AS first_entry,
min({{mirrored_place}}) AS first_mirrored
