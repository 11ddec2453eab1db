-- funnel.chains_any_matched: as funnel.chains_any, where an event may match several steps and stands for only one.
-- Caller: query_api/funnel_sql.py chains_sql(), for order "any" where two steps name the same event
-- Params: steps UInt8, window_ms Int64, entry_to_ms Int64 (the earliest event lies before it), boundary UInt64;
--         fragment user_events, with gaps and ranks
-- Rows:   those of user_events and level UInt8, chain Array(UInt64): positions of the set's events in their order
-- Source: DESIGN-funnel.md, "Any order with shared events". One event after the other, backwards. state: for each step its
--         holder (position, at_ms, mask), a free step's holder far in the future; then rank of the best entry and its
--         chain. `arrayMap(name -> …, [value])[1]` names a value inside a lambda.
SELECT
    *,
    toUInt8(length(chain)) AS level
FROM
(
    SELECT
        *,
        arrayFold(
            (state, position, rank, now_ms, mask, next_gap) -> arrayMap(
                new_holders -> arrayMap(
                    new_chain -> if(
                        mask != 0 AND now_ms < {entry_to_ms:Int64}
                            AND (length(new_chain), -toInt64(rank)) > (length(state.3), -toInt64(state.2)),
                        (new_holders, rank, new_chain),
                        (new_holders, state.2, state.3)
                    ),
                    [
                        arraySort(
                            arrayMap(
                                holder -> holder.1,
                                arrayFilter(holder -> holder.2 - now_ms <= {window_ms:Int64}, new_holders)
                            )
                        )
                    ]
                )[1],
                [
                    arrayMap(
                        holders -> if(
                            mask = 0,
                            holders,
                            arrayMap(
                                layers -> arrayMap(
                                    shifted -> arrayMap(
                                        (holder, step) -> if(step = shifted.2, (position, now_ms, mask), holder),
                                        shifted.1,
                                        range({steps:UInt8})
                                    ),
                                    [
                                        arrayFold(
                                            (moved, layer) -> if(
                                                bitTest(layer, moved.2),
                                                moved,
                                                arrayMap(
                                                    giver -> (
                                                        arrayMap(
                                                            (holder, step) -> if(step = moved.2, moved.1[giver], holder),
                                                            moved.1,
                                                            range({steps:UInt8})
                                                        ),
                                                        toUInt8(giver - 1)
                                                    ),
                                                    [
                                                        arrayFirstIndex(
                                                            (holder, step) -> bitTest(layer, step) AND bitTest(holder.3, moved.2),
                                                            moved.1,
                                                            range({steps:UInt8})
                                                        )
                                                    ]
                                                )[1]
                                            ),
                                            arrayReverse(arrayPopBack(layers)),
                                            (
                                                holders,
                                                toUInt8(
                                                    arrayMax(
                                                        (holder, step) -> if(
                                                            bitTest(layers[-1], step), holder.1 * 32 + step, toUInt64(0)
                                                        ),
                                                        holders,
                                                        range({steps:UInt8})
                                                    ) % 32
                                                )
                                            )
                                        )
                                    ]
                                )[1],
                                [
                                    arrayFold(
                                        (layers, round) -> arrayPushBack(
                                            layers,
                                            arrayFold(
                                                (reached, holder, step) -> if(
                                                    bitTest(layers[-1], step), bitOr(reached, holder.3), reached
                                                ),
                                                holders,
                                                range({steps:UInt8}),
                                                layers[-1]
                                            )
                                        ),
                                        range({steps:UInt8} - 1),
                                        [mask]
                                    )
                                ]
                            )[1]
                        ),
                        [
                            if(
                                bitAnd(next_gap, {boundary:UInt64}) != 0,
                                arrayWithConstant({steps:UInt8}, (toUInt64(4294967295), toInt64(4611686018427387904), toUInt64(0))),
                                state.1
                            )
                        ]
                    )[1]
                ]
            )[1],
            arrayReverse(arrayMap(place -> toUInt64(place), arrayEnumerate(masks))),
            arrayReverse(ranks),
            arrayReverse(at_ms),
            arrayReverse(masks),
            arrayReverse(arrayShiftLeft(gaps, 1)),
            (
                arrayWithConstant({steps:UInt8}, (toUInt64(4294967295), toInt64(4611686018427387904), toUInt64(0))),
                toUInt32(4294967295),
                emptyArrayUInt64()
            )
        ).3 AS chain
    FROM
    (
        {{user_events}}
    )
)
