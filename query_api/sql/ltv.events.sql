-- ltv.events: what a start or a payment is made of.  Caller: query_api/ltv.py _cells()
-- Params: those of ltv.cells; fragments start, paying (conditions), amount (a number), mark (of an event, 52 bits: 0 a start, from 1 on the
--         number of its key), number (of an event with its mark)
-- Rows:   columns of events: at_ms Int64, is_start, is_paying, amount Float64, mark and number
-- Source: shards compute them.
toUnixTimestamp64Milli(occurred_at) AS at_ms,
({{start}}) AND at_ms >= {start_from_ms:Int64} AND at_ms < {range_to_ms:Int64} AS is_start,
({{paying}}) AND at_ms >= {starts:Array(Int64)}[1] AS is_paying,
toFloat64({{amount}}) AS amount,
{{mark}} AS mark,
{{number}} AS number
