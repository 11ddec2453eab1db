-- stickiness.parts: events of each user, unit and day.  Caller: query_api/stickiness.py _parts()
-- Params: range_from_ms, range_to_ms Int64 (epoch ms, end exclusive); starts, unit_starts, day_starts Array(Int64) (epoch ms of
--         periods, units and days), start_numbers, unit_numbers, day_numbers Array(UInt16); fragments source (of the range, or of all
--         days), event_key and key_order (of an event), part_key and part_order (of a part)
-- Rows:   user UInt64; bucket UInt16 (number of the period, 0 outside the range), unit, day UInt16 (their numbers); events UInt64;
--         part_key, part_order String: key of the first event that has one, and its order
-- Source: one pass over events. With numbers in place of times a key is 14 bytes instead of 32, and grouping takes two thirds.
SELECT
    user,
    if(
        at_ms >= {range_from_ms:Int64} AND at_ms < {range_to_ms:Int64},
        transform(roundDown(at_ms, {starts:Array(Int64)}), {starts:Array(Int64)}, {start_numbers:Array(UInt16)}, toUInt16(0)),
        0
    ) AS bucket,
    transform(roundDown(at_ms, {unit_starts:Array(Int64)}), {unit_starts:Array(Int64)}, {unit_numbers:Array(UInt16)}, toUInt16(0)) AS unit,
    transform(roundDown(at_ms, {day_starts:Array(Int64)}), {day_starts:Array(Int64)}, {day_numbers:Array(UInt16)}, toUInt16(0)) AS day,
    count() AS events,
    {{part_key}} AS part_key,
    {{part_order}} AS part_order
FROM
(
    SELECT
        user,
        toUnixTimestamp64Milli(occurred_at) AS at_ms,
        {{event_key}} AS event_key,
        {{key_order}} AS key_order
    FROM
    (
        {{source}}
    )
)
GROUP BY
    user,
    bucket,
    unit,
    day
