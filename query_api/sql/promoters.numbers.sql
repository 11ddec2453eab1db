-- promoters.numbers: what a registration or an order is, and how much.  Caller: query_api/promoters.py _facts()
-- Params: fragments order_of_event (source.order), registration, order (conditions), amount, base (numbers)
-- Rows:   columns of events: act_order String, is_registration, is_order UInt8, act_amount, act_base Float64
-- Source: shards compute them.
{{order_of_event}} AS act_order,
toUInt8({{registration}}) AS is_registration,
toUInt8({{order}}) AS is_order,
toFloat64({{amount}}) AS act_amount,
toFloat64({{base}}) AS act_base
