-- summary.counts: shares and orders of each period.  Caller: query_api/summary.py _numbers()
-- Params: starts Array(Int64) (epoch ms of the periods); fragments revenue (a sum), source (the events of
--         either, with the columns of summary.events)
-- Rows:   start_ms Int64, shares, sharers, orders, payers UInt64, revenue Float64
SELECT
    roundDown(toUnixTimestamp64Milli(occurred_at), {starts:Array(Int64)}) AS start_ms,
    countIf(is_share) AS shares,
    uniqExactIf(user, is_share) AS sharers,
    countIf(is_order) AS orders,
    uniqExactIf(user, is_order) AS payers,
    {{revenue}} AS revenue
FROM
(
    {{source}}
)
GROUP BY start_ms
