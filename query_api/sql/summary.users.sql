-- summary.users: the users of a number of a period.  Caller: query_api/summary.py users()
-- Params: fragments matches (a condition), source (the period's events)
-- Rows:   user UInt64, each once
SELECT DISTINCT user
FROM
(
    {{source}}
)
WHERE {{matches}}
