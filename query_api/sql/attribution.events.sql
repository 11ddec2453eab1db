-- attribution.events: what a touch or a target is made of.  Caller: query_api/attribution.py _chains()
-- Params: range_from_ms, range_to_ms Int64; fragments touch (number of the first of `touches` that an event matches, 0: none), target (a
--         condition), amount (a number), number (of an event with its mark), touch_texts and target_shared (texts of an event)
-- Rows:   columns of events: touch UInt8, is_target, mark UInt64, number, at_ms Int64, touch_texts, target_shared, amount Float64
-- Source: Ask.computed: shards compute them.
toUnixTimestamp64Milli(occurred_at) AS at_ms,
toUInt8({{touch}}) AS touch,
({{target}}) AND at_ms >= {range_from_ms:Int64} AND at_ms < {range_to_ms:Int64} AS is_target,
toUInt64(touch + 32 * is_target) AS mark,
{{number}} AS number,
{{touch_texts}} AS touch_texts,
{{target_shared}} AS target_shared,
toFloat64({{amount}}) AS amount
