-- attribution.chains: the chain of each target.  Caller: query_api/attribution.py _credits()
-- Params: lookback_ms, range_from_ms, range_to_ms Int64 (epoch ms, end exclusive); fragments source, touch (number of the first of
--         `touches` that an event matches, 0: none), target (a condition), amount (a number), number (of an event with its payload),
--         undecided (of numbers), at and payload (order_keys.py), touch_texts and target_shared (texts of an event), collected (more arrays of the touches),
--         codes (what stands for each touch), more (columns), chain and chain_ms (of the touches within the lookback)
-- Rows:   user UInt64, target UInt32 (number of the user's target), amount Float64, chain Array(UInt32) of codes and chain_ms
--         Array(Int64), earliest touch first; undecided Bool: the number leaves the order of two of the user's events open; and more
-- Source: one pass over plain numbers: the order of an event, in bits 0 to 4 its touch, in bit 5 whether it is a target. A chain is a slice
--         of the user's touches: as many as lie before the target, without those older than the lookback.
-- Order:  occurred_at, seq, event_id.
SELECT
    *,
    {{chain}} AS chain,
    {{chain_ms}} AS chain_ms
FROM
(
    SELECT
        * EXCEPT (codes, touch_ms, aim),
        aim.2 AS amount,
        aim.3 AS target_shared,
        toUInt32(aim.5) AS target,
        arrayFirstIndex(at_ms -> at_ms >= aim.1 - {lookback_ms:Int64}, arrayPushBack(touch_ms, aim.1)) AS first_place,
        aim.4 + 1 - first_place AS places,
        arraySlice(codes, first_place, places) AS codes_before,
        arraySlice(touch_ms, first_place, places) AS ms_before
    FROM
    (
        SELECT
            user,
            undecided,
            arrayMap(k -> {{at}}, touches) AS touch_ms,
            {{codes}} AS codes,
            arrayJoin(arrayZip(arrayMap(k -> {{at}}, targets.1), targets.2, targets.3, touches_before, arrayEnumerate(targets))) AS aim
            {{more}}
        FROM
        (
            SELECT
                *,
                arrayFilter((k, payload) -> bitAnd(payload, 31) > 0, numbers, payloads) AS touches,
                arrayFilter(
                    (before, payload) -> bitTest(payload, 5),
                    arrayMap((so_far, payload) -> so_far - (bitAnd(payload, 31) > 0), arrayCumSum(payload -> bitAnd(payload, 31) > 0, payloads), payloads),
                    payloads
                ) AS touches_before,
                {{undecided}} AS undecided
            FROM
            (
                SELECT
                    *,
                    arrayMap(k -> {{payload}}, numbers) AS payloads
                FROM
                (
                    SELECT
                        user,
                        arraySort(groupArray(number)) AS numbers,
                        arraySort(groupArrayIf((number, amount, target_shared), is_target)) AS targets
                        {{collected}}
                    FROM
                    (
                        SELECT
                            *,
                            {{number}} AS number
                        FROM
                        (
                            SELECT
                                *,
                                toUInt8({{touch}}) AS touch,
                                ({{target}}) AND at_ms >= {range_from_ms:Int64} AND at_ms < {range_to_ms:Int64} AS is_target,
                                toUInt64(touch + 32 * is_target) AS mark,
                                toUnixTimestamp64Milli(occurred_at) AS at_ms,
                                {{touch_texts}} AS touch_texts,
                                {{target_shared}} AS target_shared,
                                toFloat64({{amount}}) AS amount
                            FROM
                            (
                                {{source}}
                            )
                        )
                        WHERE touch > 0 OR is_target
                    )
                    GROUP BY user
                    HAVING notEmpty(targets)
                )
            )
        )
    )
)
