-- summary.events: what a share or an order is, and how much.  Caller: query_api/summary.py _numbers()
-- Params: fragments share, order (conditions), amount (a number)
-- Rows:   columns of events: is_share, is_order, amount
-- Source: Ask.computed: shards compute them.
({{share}}) AS is_share,
({{order}}) AS is_order,
{{amount}} AS amount
