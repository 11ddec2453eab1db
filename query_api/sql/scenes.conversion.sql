-- scenes.conversion: whether an event is a conversion, and of how much.  Caller: query_api/scenes.py conversions()
-- Params: fragments conversion (a condition), amount (a number)
-- Rows:   columns of events: is_conversion Bool, amount Float64 (0 of other events)
-- Source: Ask.computed: shards compute them.
toBool({{conversion}}) AS is_conversion,
if(is_conversion, toFloat64({{amount}}), 0.) AS amount
