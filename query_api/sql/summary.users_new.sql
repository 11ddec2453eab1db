-- summary.users_new: the users whose first event ever lies in a period.  Caller: query_api/summary.py users()
-- Params: cell_from_ms Int64; fragment source (active events from the beginning of history to the end of the period)
-- Rows:   user UInt64, each once
SELECT user
FROM
(
    {{source}}
)
GROUP BY user
HAVING min(toUnixTimestamp64Milli(occurred_at)) >= {cell_from_ms:Int64}
