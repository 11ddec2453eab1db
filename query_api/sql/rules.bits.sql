-- rules.bits: which conditions each user satisfies.  Caller: query_api/rules.py Compiler._bits()
-- Params: fragment parts (SELECTs of user and bit)
-- Rows:   user, bits UInt64; each user once
-- Source: only users seen before the rule's instant: a snapshot may hold others.
SELECT
    user,
    groupBitOr(bit) AS bits
FROM
(
    {{parts}}
)
GROUP BY user
HAVING bitTest(bits, 0)
