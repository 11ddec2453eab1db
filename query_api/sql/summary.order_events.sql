-- summary.order_events: whether an event is an order, and of how much.  Caller: query_api/summary.py _parts()
-- Params: fragments order (a condition), amount (a number)
-- Rows:   columns of events: is_order Bool, amount Float64
-- Source: Ask.computed: shards compute them.
toBool({{order}}) AS is_order,
toFloat64({{amount}}) AS amount
