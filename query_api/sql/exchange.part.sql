-- exchange.part: a part of each user's events, with empty columns for what it has none of.  Caller: query_api/exchange.py _added()
-- Params: fragments columns, collected (by_actor.collected)
-- Rows:   user UInt64, entries, came, conversions, exits (arrays), has_before UInt8; each user once
SELECT
    user,
    {{columns}}
FROM
(
    {{collected}}
)
