-- rules.did: users who did something often enough.  Caller: query_api/rules.py Compiler._did()
-- Params: fragments parts (what the matching events of an actor or a user add up to), having (conditions over sums of it)
-- Rows:   user UInt64, each once
-- Source: the conditions of one `did` look at the same events.
SELECT user
FROM
(
    {{parts}}
)
GROUP BY user
HAVING {{having}}
