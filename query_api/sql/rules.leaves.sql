-- rules.leaves: every user with the leaf of a tree.  Caller: query_api/rules.py Compiler.leaves()
-- Params: fragments bits (rules.bits), leaf (an expression over bits)
-- Rows:   user UInt64, leaf UInt16; each user once
-- Source: the expression has one value for each user: exactly one leaf.
SELECT
    user,
    toUInt16({{leaf}}) AS leaf
FROM
(
    {{bits}}
)
