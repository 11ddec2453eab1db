-- funnel.gaps_held: user_events sorted by the held value, then by time: one run of neighbours for each value.
-- Caller: query_api/funnel_sql.py chains_sql(), for hold_constant
-- Params: exclusion_bits Array(UInt8), boundary UInt64 (the bit of a border between runs), strict Bool; fragment
--         user_events, with holds Array(UInt128) in the order of masks
-- Rows:   those of user_events, at_ms and masks in the new order; gaps Array(UInt64): exclusions met between an event and
--         its neighbour before, or boundary where no chain may pass; ranks Array(UInt32): place in the order of events
-- Source: DESIGN-funnel.md, "Gaps". runs: 128 bits of held value, 32 of place, 44 of time, 52 of mask. TRICKY: a lambda copies a captured array for each element it runs on, so arrays of
--         a user's length only ever enter as arguments.
SELECT
    * EXCEPT (places, ordered_at_ms, ordered_masks, ordered_holds, run_holds, previous_ranks),
    arrayFold(
        (gaps, bit) -> arrayMap(
            (gap, last_excluded, previous_rank) -> if(
                last_excluded > previous_rank, bitOr(gap, bitShiftLeft(toUInt64(1), bit)), gap
            ),
            gaps,
            arraySort(
                (last_excluded, hold, place) -> (hold, place),
                arrayShiftRight(
                    arrayFill(
                        last_excluded -> last_excluded != 0,
                        arrayMap((mask, place) -> if(bitTest(mask, bit), place, 0), ordered_masks, places)
                    ),
                    1
                ),
                ordered_holds,
                places
            ),
            previous_ranks
        ),
        {exclusion_bits:Array(UInt8)},
        arrayMap(
            (hold, previous_hold, rank, previous_rank) -> if(
                previous_rank = 0 OR hold != previous_hold OR ({strict:Bool} AND rank != previous_rank + 1),
                {boundary:UInt64},
                0
            ),
            run_holds,
            arrayShiftRight(run_holds, 1),
            ranks,
            previous_ranks
        )
    ) AS gaps
FROM
(
    SELECT
        *,
        arrayShiftRight(ranks, 1) AS previous_ranks
    FROM
    (
        SELECT
            * EXCEPT (runs),
            arrayMap(run -> toUInt32(bitAnd(bitShiftRight(run, 96), 0xffffffff)), runs) AS ranks,
            arrayMap(run -> toInt64(bitAnd(bitShiftRight(run, 52), 0xfffffffffff)), runs) AS at_ms,
            arrayMap(run -> toUInt64(bitAnd(run, 0xfffffffffffff)), runs) AS masks,
            arrayMap(run -> toUInt128(bitShiftRight(run, 128)), runs) AS run_holds
        FROM
        (
            SELECT
                *,
                arraySort(
                    arrayMap(
                        (hold, place, at, mask) -> bitShiftLeft(toUInt256(hold), 128) + bitShiftLeft(toUInt256(place), 96)
                            + bitShiftLeft(toUInt256(at), 52) + mask,
                        ordered_holds,
                        places,
                        ordered_at_ms,
                        ordered_masks
                    )
                ) AS runs
            FROM
            (
                SELECT
                    * EXCEPT (at_ms, masks, holds),
                    at_ms AS ordered_at_ms,
                    masks AS ordered_masks,
                    holds AS ordered_holds,
                    arrayEnumerate(masks) AS places
                FROM
                (
                    {{user_events}}
                )
            )
        )
    )
)
