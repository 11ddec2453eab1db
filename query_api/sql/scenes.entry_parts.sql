-- scenes.entry_parts: the entries of a session.  Caller: query_api/scenes.py _parts()
-- Params: range_from_ms Int64 (epoch ms); fragment conversions (an aggregate)
-- Rows:   columns of a SELECT with GROUP BY session over those of scenes.entry_places: session UInt64, first_ms, last_ms Int64, views UInt64,
--         entries Array(UInt128) (from range_from_ms on), first_entry, first_mirrored UInt128, has_silent UInt8 (an entry of a session without
--         a session_id), conversions Array(Tuple(UInt128, Float64)) (order key and value)
-- Source: parts of one session can be put together. What lies before the range is one row of an actor, outside of all sessions.
session,
min(at_ms) AS first_ms,
max(at_ms) AS last_ms,
toUInt64(0) AS views,
groupArrayIf(place, at_ms >= {range_from_ms:Int64}) AS entries,
min(place) AS first_entry,
min(mirrored_place) AS first_mirrored,
max(session_id = '' AND session != 0) AS has_silent,
{{conversions}} AS conversions
