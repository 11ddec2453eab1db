-- summary.counts: what happened in each period.  Caller: query_api/summary.py _numbers()
-- Params: starts Array(Int64) (epoch ms of the periods); fragments active, page_view, share, order (conditions), revenue (a
--         sum), source
-- Rows:   start_ms Int64, users, page_views, shares, sharers, orders, payers UInt64, revenue Float64
SELECT
    roundDown(toUnixTimestamp64Milli(occurred_at), {starts:Array(Int64)}) AS start_ms,
    uniqExactIf(user, {{active}}) AS users,
    countIf({{page_view}}) AS page_views,
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
