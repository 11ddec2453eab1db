-- recall.happened: an event as a number of its time and what it is.  Caller: query_api/recall.py _outcomes()
-- Params: fragments opened, active, converted (conditions), amount (a number)
-- Rows:   columns of events: happened Tuple(UInt64: 2^3 times the epoch ms, 1 an opening, 2 activity, 4 a conversion; Float64: the amount of
--         a conversion)
-- Source: by_actor.py
bitOr(bitOr(toUInt64({{opened}}), 2 * toUInt64({{active}})), 4 * toUInt64({{converted}})) AS meaning,
(
    8 * toUInt64(toUnixTimestamp64Milli(occurred_at)) + meaning,
    if(bitTest(meaning, 2), toFloat64({{amount}}), 0.)
) AS happened
