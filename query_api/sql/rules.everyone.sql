-- rules.everyone: every user with an event.  Caller: query_api/rules.py Compiler._everyone()
-- Params: fragment source (all events up to the rule's instant, or a row for each actor that has any)
-- Rows:   user UInt64, each once
-- Source: who satisfies no condition must still be there for `not`.
SELECT user
FROM
(
    {{source}}
)
GROUP BY user
