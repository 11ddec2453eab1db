-- users.listed: the users of a list.  Caller: query_api/users.py users()
-- Params: fragment rows (users that passed)
-- Rows:   user UInt64, each once
-- Source: rules.everyone has each user once.
SELECT user
FROM
(
    {{rows}}
)
