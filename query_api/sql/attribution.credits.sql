-- attribution.credits: what the touches of each target get.  Caller: query_api/attribution.py _credits()
-- Params: half_life_ms Int64, and those of attribution.chains; fragments chains (attribution.chains), kind (of a code: Tuple(touch,
--         number of its key))
-- Rows:   user UInt64, target UInt32 (number of the user's target), touch UInt8 (0: direct), key_number UInt64, amount Float64 (of
--         the target), times UInt64 (the touch stands in the chain), first, last, linear, position, time_decay Float64 (each adds up to 1 over the rows of a target), undecided Bool
--         (attribution.chains); one for each code of a chain, and for a target without one
-- Source: what a touch gets by standing in a chain several times is added up here, before there are rows.
SELECT
    user,
    target,
    amount,
    undecided,
    {{kind}} AS kind,
    kind.1 AS touch,
    kind.2 AS key_number,
    empty(chain) AS is_direct,
    countEqual(chain, code) AS times,
    toFloat64(is_direct OR chain[1] = code) AS first,
    toFloat64(is_direct OR chain[-1] = code) AS last,
    if(is_direct, 1, times / length(chain)) AS linear,
    if(length(chain) > 2, 0.4 * (first + last) + 0.2 * (times - first - last) / (length(chain) - 2), linear) AS position,
    if(is_direct, 1, arraySum((passed, decay) -> if(passed = code, decay, 0), chain, decays) / arraySum(decays)) AS time_decay
FROM
(
    SELECT
        *,
        arrayMap(at_ms -> exp2((at_ms - chain_ms[-1]) / {half_life_ms:Int64}), chain_ms) AS decays,
        arrayJoin(if(empty(chain), [toUInt32(0)], arrayDistinct(chain))) AS code
    FROM
    (
        {{chains}}
    )
)
