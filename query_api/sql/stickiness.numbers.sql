-- stickiness.numbers: period, unit and day of an event.  Caller: query_api/stickiness.py _parts()
-- Params: those of stickiness.parts
-- Rows:   columns of a SELECT over events: bucket UInt16 (number of the period, 0 outside the range), unit, day UInt16 (their numbers)
-- Source: with numbers in place of times a key is 14 bytes instead of 32, and grouping takes two thirds.
if(
    occurred_at >= fromUnixTimestamp64Milli({range_from_ms:Int64}, 'UTC') AND occurred_at < fromUnixTimestamp64Milli({range_to_ms:Int64}, 'UTC'),
    transform(roundDown(toUnixTimestamp64Milli(occurred_at), {starts:Array(Int64)}), {starts:Array(Int64)}, {start_numbers:Array(UInt16)}, toUInt16(0)),
    0
) AS bucket,
transform(roundDown(toUnixTimestamp64Milli(occurred_at), {unit_starts:Array(Int64)}), {unit_starts:Array(Int64)}, {unit_numbers:Array(UInt16)}, toUInt16(0)) AS unit,
transform(roundDown(toUnixTimestamp64Milli(occurred_at), {day_starts:Array(Int64)}), {day_starts:Array(Int64)}, {day_numbers:Array(UInt16)}, toUInt16(0)) AS day
