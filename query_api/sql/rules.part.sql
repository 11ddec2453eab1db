-- rules.part: the users of one condition with its bit.  Caller: query_api/rules.py Compiler._bits()
-- Params: fragments bit (a power of two), users (a SELECT of user)
-- Rows:   user, bit UInt64
-- Source: bit 0 is everyone.
SELECT
    user,
    toUInt64({{bit}}) AS bit
FROM
(
    {{users}}
)
