-- funnel.attributed: what the report counts and lists: one row for each user who entered.
-- Caller: query_api/funnel_sql.py users_sql()
-- Params: period_starts_ms Array(Int64); fragments chains, breakdown (the chain's key), times (of the chain), variant
--         and columns (reached and places, only where steps are optional)
-- Rows:   user UInt64, level UInt8 (events of the chain, from 1), chain_at_ms Array(Int64): times of e1 to e(level),
--         breakdown_key Array(String), period_ms Int64: start of the period of e1, undecided Bool; reached Array(UInt8):
--         steps of the chain's events; places Array: their order among the user's events
-- Source: DESIGN-funnel.md. The numbers and the lists of users both come from these rows.
SELECT
    user,
    level,
    chain_at_ms,
    breakdown_key,
    roundDown(chain_at_ms[1], {period_starts_ms:Array(Int64)}) AS period_ms,
    undecided
    {{columns}}
FROM
(
    SELECT
        user,
        level,
        {{times}} AS chain_at_ms,
        {{breakdown}} AS breakdown_key,
        undecided
        {{variant}}
    FROM
    (
        {{chains}}
    )
    WHERE level > 0
)
