-- stickiness.parts: events of each user, unit and day.  Caller: query_api/stickiness.py _parts()
-- Params: range_from_ms, range_to_ms Int64 (epoch ms, end exclusive); starts, unit_starts, day_starts Array(Int64) (epoch ms of
--         periods, units and days), start_numbers, unit_numbers, day_numbers Array(UInt16); fragments numbers (stickiness.numbers), source
--         (of the range, or of all days), event_key and key_order (of an event), part_key and part_order (of a part)
-- Rows:   user UInt64; bucket UInt16 (number of the period, 0 outside the range), unit, day UInt16 (their numbers); events UInt64;
--         part_key, part_order String: key of the first event that has one, and its order
-- Source: one pass over events.
SELECT
    user,
    bucket,
    unit,
    day,
    count() AS events,
    {{part_key}} AS part_key,
    {{part_order}} AS part_order
FROM
(
    SELECT
        user,
        {{numbers}},
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
