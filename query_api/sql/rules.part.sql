-- rules.part: the users of one condition with its bit, or all with those of several.  Caller: query_api/rules.py Compiler
-- Params: fragments bit (a power of two, or an expression over users), users (a SELECT of user)
-- Rows:   user, bit UInt64
-- Source: bit 0 is everyone.
SELECT
    user,
    toUInt64({{bit}}) AS bit
FROM
(
    {{users}}
)
