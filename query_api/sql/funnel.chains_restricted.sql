-- funnel.chains_restricted: each user's deepest, then earliest chain, where something may break a chain.
-- Caller: query_api/funnel_sql.py chains_sql(), for order "strict", for exclusions and for hold_constant
-- Params: steps UInt8, window_ms Int64, strict Bool; caps Array(UInt8), carries and owns Array(Array(UInt64)): the phases
--         of DESIGN-funnel.md, "Exclusions"; fragment user_events, with gaps and ranks
-- Rows:   those of user_events and level UInt8, chain Array(UInt64): positions of e1 to e(level)
-- Source: DESIGN-funnel.md, "Restricted". Forwards for the level, backwards for the chain. In starts and ends, 0: nothing,
--         1: dead. `arrayMap(name -> …, [value])[1]` names a value inside a lambda.
SELECT
    * EXCEPT (ends_ms, entry_rank),
    arrayFold(
        (chain, level_ends_ms) -> arrayPushBack(
            chain,
            chain[-1] + arrayFirstIndex(end_ms -> end_ms > 1, arraySlice(level_ends_ms, chain[-1] + 1))
        ),
        arrayPopFront(ends_ms),
        [toUInt64(indexOf(ranks, entry_rank))]
    ) AS chain
FROM
(
    SELECT
        *,
        arrayMin(
            arrayFilter(
                (rank, now_ms, end_ms) -> end_ms > 1 AND end_ms - now_ms <= {window_ms:Int64}, ranks, at_ms, ends_ms[1]
            )
        ) AS entry_rank
    FROM
    (
        SELECT
            * EXCEPT (carry, own, carry_last, last_ends_ms),
            arrayFold(
                (state, step, carry_behind, carry_here, own_here) -> arrayMap(
                    new_ends_ms -> (
                        arrayPushFront(state.1, new_ends_ms),
                        arrayReverseFill(
                            end_ms -> end_ms != 0 OR {strict:Bool},
                            arrayMap(
                                (end_ms, mask, next_gap) -> multiIf(
                                    end_ms != 0, end_ms, bitAnd(bitOr(mask, next_gap), carry_behind) != 0, toInt64(1), toInt64(0)
                                ),
                                new_ends_ms,
                                masks,
                                arrayShiftLeft(gaps, 1)
                            )
                        )
                    ),
                    [
                        arrayMap(
                            (mask, next_gap, end_ms) -> if(
                                bitTest(mask, step) AND end_ms > 1
                                    AND bitAnd(next_gap, carry_here) = 0 AND bitAnd(mask, own_here) = 0,
                                end_ms,
                                0
                            ),
                            masks,
                            arrayShiftLeft(gaps, 1),
                            arrayShiftLeft(state.2, 1)
                        )
                    ]
                )[1],
                arrayReverse(range(0, level - 1)),
                arrayReverse(arraySlice(carry, 1, level - 1)),
                arrayReverse(arraySlice(carry, 2, level - 1)),
                arrayReverse(arraySlice(own, 1, level - 1)),
                (
                    [last_ends_ms],
                    arrayReverseFill(
                        end_ms -> end_ms != 0 OR {strict:Bool},
                        arrayMap(
                            (end_ms, mask, next_gap) -> multiIf(
                                end_ms != 0, end_ms, bitAnd(bitOr(mask, next_gap), carry_last) != 0, toInt64(1), toInt64(0)
                            ),
                            last_ends_ms,
                            masks,
                            arrayShiftLeft(gaps, 1)
                        )
                    )
                )
            ).1 AS ends_ms
        FROM
        (
            SELECT
                *,
                carry[level] AS carry_last,
                arrayMap((now_ms, mask) -> if(bitTest(mask, level - 1), now_ms, 0), at_ms, masks) AS last_ends_ms
            FROM
            (
                SELECT
                    *,
                    {carries:Array(Array(UInt64))}[phase] AS carry,
                    {owns:Array(Array(UInt64))}[phase] AS own
                FROM
                (
                    SELECT
                        *,
                        arrayFirstIndex(cap -> cap >= level, {caps:Array(UInt8)}) AS phase
                    FROM
                    (
                        SELECT
                            *,
                            toUInt8(
                                arrayMax(
                                    (carry, own, cap) -> least(
                                        cap,
                                        arrayMap(
                                            state -> state.2 + arrayExists(start_ms -> start_ms > 1, state.1),
                                            [
                                                arrayFold(
                                                    (state, step, carry_before, carry_here, own_here) -> (
                                                        arrayFill(
                                                            start_ms -> start_ms != 0 OR {strict:Bool},
                                                            arrayMap(
                                                                (now_ms, mask, gap, start_ms) -> multiIf(
                                                                    bitTest(mask, step) AND start_ms > 1
                                                                        AND now_ms - start_ms <= {window_ms:Int64}
                                                                        AND bitAnd(gap, carry_before) = 0
                                                                        AND bitAnd(mask, own_here) = 0,
                                                                    start_ms,
                                                                    bitAnd(bitOr(mask, gap), carry_here) != 0,
                                                                    toInt64(1),
                                                                    toInt64(0)
                                                                ),
                                                                at_ms,
                                                                masks,
                                                                gaps,
                                                                arrayShiftRight(state.1, 1)
                                                            )
                                                        ),
                                                        toUInt8(state.2 + arrayExists(start_ms -> start_ms > 1, state.1))
                                                    ),
                                                    range(1, {steps:UInt8}),
                                                    arraySlice(carry, 2, {steps:UInt8} - 1),
                                                    arraySlice(carry, 3, {steps:UInt8} - 1),
                                                    arraySlice(own, 2, {steps:UInt8} - 1),
                                                    (
                                                        arrayMap(
                                                            carry_here -> arrayFill(
                                                                start_ms -> start_ms != 0 OR {strict:Bool},
                                                                arrayMap(
                                                                    (now_ms, mask, gap) -> multiIf(
                                                                        bitTest(mask, 0),
                                                                        now_ms,
                                                                        bitAnd(bitOr(mask, gap), carry_here) != 0,
                                                                        toInt64(1),
                                                                        toInt64(0)
                                                                    ),
                                                                    at_ms,
                                                                    masks,
                                                                    gaps
                                                                )
                                                            ),
                                                            [carry[2]]
                                                        )[1],
                                                        toUInt8(0)
                                                    )
                                                )
                                            ]
                                        )[1]
                                    ),
                                    {carries:Array(Array(UInt64))},
                                    {owns:Array(Array(UInt64))},
                                    {caps:Array(UInt8)}
                                )
                            ) AS level
                        FROM
                        (
                            {{user_events}}
                        )
                        WHERE arrayExists(mask -> bitTest(mask, 0), masks)
                    )
                )
            )
        )
    )
)
