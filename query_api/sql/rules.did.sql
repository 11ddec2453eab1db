-- rules.did: users who did something often enough.  Caller: query_api/rules.py Compiler._did()
-- Params: days Array(Int64) (epoch ms: starts of the calendar days); fragments source (the matching events), amount,
--         has_amount (expressions over events), having (conditions over the aggregates)
-- Rows:   user UInt64, each once
-- Source: the conditions of one `did` look at the same events.
SELECT user
FROM
(
    SELECT
        user,
        roundDown(toUnixTimestamp64Milli(occurred_at), {days:Array(Int64)}) AS day_ms,
        toFloat64({{amount}}) AS amount,
        {{has_amount}} AS has_amount
    FROM
    (
        {{source}}
    )
)
GROUP BY user
HAVING {{having}}
