-- rules.did: users who did something often enough.  Caller: query_api/rules.py Compiler._did()
-- Params: days Array(UInt32) (starts of the calendar days in minutes since the epoch); fragments source (the matching
--         events), amount, has_amount (expressions over events), having (conditions over the aggregates)
-- Rows:   user UInt64, each once
-- Source: the conditions of one `did` look at the same events.
SELECT user
FROM
(
    SELECT
        user,
        roundDown(toUInt32(intDiv(toUnixTimestamp64Milli(occurred_at), 60000)), {days:Array(UInt32)}) AS day,
        toFloat64({{amount}}) AS amount,
        {{has_amount}} AS has_amount
    FROM
    (
        {{source}}
    )
)
GROUP BY user
HAVING {{having}}
