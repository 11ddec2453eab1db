-- scenes.conversion_place: a conversion of the range as an order key, and of how much.  Caller: query_api/scenes.py _converts()
-- Params: range_from_ms, range_to_ms Int64 (epoch ms, end exclusive); fragments conversion (a condition), amount (a number), last_place (the
--         order key after every entry of its time and seq)
-- Rows:   columns of events: is_conversion Bool, converted_place UInt128, converted_value Float64
-- Source: by_actor.py
toBool({{conversion}})
AND toUnixTimestamp64Milli(occurred_at) >= {range_from_ms:Int64}
AND toUnixTimestamp64Milli(occurred_at) < {range_to_ms:Int64} AS is_conversion,
{{last_place}} AS converted_place,
toFloat64({{amount}}) AS converted_value
