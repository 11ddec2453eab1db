-- summary.counts: shares and orders of each period.  Caller: query_api/summary.py _numbers()
-- Params: starts Array(Int64) (epoch ms of the periods); fragments share, order (conditions), revenue (a sum), source (the events of
--         either)
-- Rows:   start_ms Int64, shares, sharers, orders, payers UInt64, revenue Float64
SELECT
    roundDown(toUnixTimestamp64Milli(occurred_at), {starts:Array(Int64)}) AS start_ms,
    countIf({{share}}) AS shares,
    uniqExactIf(user, {{share}}) AS sharers,
    countIf({{order}}) AS orders,
    uniqExactIf(user, {{order}}) AS payers,
    {{revenue}} AS revenue
FROM
(
    {{source}}
)
GROUP BY start_ms
