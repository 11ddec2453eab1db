-- summary.new_users: users by the period of their first event ever.  Caller: query_api/summary.py _numbers()
-- Params: starts Array(Int64) (epoch ms of the periods); fragment source (active events from the beginning of history)
-- Rows:   start_ms Int64, new_users UInt64
SELECT
    roundDown(first_ms, {starts:Array(Int64)}) AS start_ms,
    count() AS new_users
FROM
(
    SELECT
        user,
        min(toUnixTimestamp64Milli(occurred_at)) AS first_ms
    FROM
    (
        {{source}}
    )
    GROUP BY user
    HAVING first_ms >= {starts:Array(Int64)}[1]
)
GROUP BY start_ms
