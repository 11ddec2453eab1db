-- attribution.chains: the chain of each target.  Caller: query_api/attribution.py _credits()
-- Params: lookback_ms, range_from_ms, range_to_ms Int64 (epoch ms, end exclusive); fragments collected (by_actor.collected: numbers,
--         targets, touches with texts of attribution.events), undecided (of numbers), at and payload (order_keys.py), in_order (more arrays of the touches), codes
--         (what stands for each touch), more (columns), chain and chain_ms (of the touches within the lookback)
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
                        arraySort(unsorted) AS numbers,
                        arraySort(aims) AS targets
                        {{in_order}}
                    FROM
                    (
                        {{collected}}
                    )
                )
            )
        )
    )
)
