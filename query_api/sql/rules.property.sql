-- rules.property: users whose attributes satisfy a condition.  Caller: query_api/rules.py Compiler._property()
-- Params: fragment rows (users that passed)
-- Rows:   user UInt64, each once
-- Source: every user is asked, also one without attributes, so that `not_exists` and `ne` find them.
SELECT user
FROM
(
    {{rows}}
)
