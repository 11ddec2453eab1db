-- rules.users: the users that satisfy a rule.  Caller: query_api/rules.py Compiler.users()
-- Params: fragments bits (rules.bits), condition (over bits)
-- Rows:   user UInt64, each once
-- Source: one row for each user in rules.bits.
SELECT user
FROM
(
    {{bits}}
)
WHERE {{condition}}
