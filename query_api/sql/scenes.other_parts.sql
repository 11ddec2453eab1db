-- scenes.other_parts: the other events of a session.  Caller: query_api/scenes.py _parts()
-- Params: fragment conversions (an aggregate)
-- Rows:   as scenes.entry_parts
-- Source: only entries become order keys: three quarters of the work (DESIGN-reports.md).
cityHash64(app_id, session_id) AS session,
min(toUnixTimestamp64Milli(occurred_at)) AS first_ms,
max(toUnixTimestamp64Milli(occurred_at)) AS last_ms,
countIf(event = 'page_view') AS views,
CAST([], 'Array(UInt128)') AS entries,
bitNot(toUInt128(0)) AS first_entry,
bitNot(toUInt128(0)) AS first_mirrored,
toUInt8(0) AS has_silent,
{{conversions}} AS conversions
