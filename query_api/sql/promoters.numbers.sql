-- promoters.numbers: what a registration or an order is, and how much.  Caller: query_api/promoters.py _facts()
-- Params: fragments registration, order (conditions), amount, base (numbers)
-- Rows:   columns of events: is_registration, is_order, act_amount, act_base Float64
-- Source: Ask.computed: shards compute them.
({{registration}}) AS is_registration,
({{order}}) AS is_order,
toFloat64({{amount}}) AS act_amount,
toFloat64({{base}}) AS act_base
