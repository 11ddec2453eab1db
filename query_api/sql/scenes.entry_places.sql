-- scenes.entry_places: an entry as an order key.  Caller: query_api/scenes.py _parts()
-- Params: around_from_ms, around_to_ms Int64 (epoch ms; sessions are followed between them, end exclusive); fragments number (of a key, 51 bits),
--         matches (a condition), place and mirrored_place (the order key over mark)
-- Rows:   columns of events: at_ms Int64, session UInt64 (0 outside of the time in which sessions are followed), mark UInt64 (twice the
--         number, and 1 of an app_launch; 0 where the filter does not match), place, mirrored_place UInt128
-- Source: numbers sort and group faster than texts.
toUnixTimestamp64Milli(occurred_at) AS at_ms,
if(at_ms >= {around_from_ms:Int64} AND at_ms < {around_to_ms:Int64}, cityHash64(app_id, session_id), 0) AS session,
if({{matches}}, 2 * {{number}} + (event = 'app_launch'), 0) AS mark,
{{place}} AS place,
{{mirrored_place}} AS mirrored_place
