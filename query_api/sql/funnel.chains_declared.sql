-- funnel.chains_declared: as funnel.chains_ordered, with ties and windows as other products declare them, and users taken out.
-- Caller: query_api/funnel_sql.py chains_sql(), for ties other than "order", for calendar days, for exclusion_effect "user"
-- Params: steps UInt8, window_length Int64 (in what window_at counts), tie_gap UInt8 (1: the next event must lie in a later
--         tie; 0: it may lie in the same one), removing_bits, removing_from, removing_to Array(UInt8) (exclusions that take
--         the user out: bit of the mask, steps from 1); fragments user_events, window_at (places of at in the window's
--         units), tie_at (the tie of each event), before (level_starts.1 as the next step sees it)
-- Rows:   those of user_events and level UInt8, chain Array(UInt64): positions of e1 to e(level); none for a user taken out
-- Source: DESIGN-funnel.md, "Declared axes". starts: for each step and position the latest start (in window_at) of a chain of
--         that step; 0: none.
SELECT
    * EXCEPT (tie_at, walked),
    walked.1 AS chain
FROM
(
    SELECT
        *,
        arrayFold(
            (state, step) -> arrayMap(
                place -> (arrayPushBack(state.1, place), tie_at[place]),
                [
                    toUInt64(
                        arrayFirstIndex(
                            (mask, tie) -> bitTest(mask, step) AND tie >= state.2 + {tie_gap:UInt8}, masks, tie_at
                        )
                    )
                ]
            )[1],
            range(1, level),
            ([entry], tie_at[entry])
        ) AS walked
    FROM
    (
        SELECT
            * EXCEPT (starts, firsts, window_at),
            toUInt64(
                arrayFirstIndex(
                    (place_at, mask) -> bitTest(mask, 0) AND place_at >= window_at[firsts[level]] - {window_length:Int64},
                    window_at,
                    masks
                )
            ) AS entry
        FROM
        (
            SELECT
                *,
                toUInt8(arrayCount(first -> first != 0, firsts)) AS level
            FROM
            (
                SELECT
                    *,
                    arrayMap(start_at -> arrayFirstIndex(start -> start != 0, start_at), starts) AS firsts
                FROM
                (
                    SELECT
                        *,
                        arrayFold(
                            (starts, step) -> arrayPushBack(
                                starts,
                                arrayMap(
                                    latest -> arrayFill(
                                        start -> start != 0,
                                        arrayMap(
                                            (place_at, mask, start) -> if(
                                                bitTest(mask, step) AND start != 0 AND place_at - start <= {window_length:Int64},
                                                start,
                                                0
                                            ),
                                            window_at,
                                            masks,
                                            {{before}}
                                        )
                                    ),
                                    [starts[-1]]
                                )[1]
                            ),
                            range(1, {steps:UInt8}),
                            [
                                arrayFill(
                                    start -> start != 0,
                                    arrayMap((place_at, mask) -> if(bitTest(mask, 0), place_at, 0), window_at, masks)
                                )
                            ]
                        ) AS starts
                    FROM
                    (
                        SELECT
                            *,
                            {{window_at}} AS window_at,
                            {{tie_at}} AS tie_at
                        FROM
                        (
                            {{user_events}}
                        )
                    )
                )
                WHERE NOT arrayExists(
                    (bit, from_step, to_step) -> arrayExists(
                        (place_at, mask, began, ended) -> bitTest(mask, bit)
                            AND began > ended
                            AND place_at - began <= {window_length:Int64},
                        window_at,
                        masks,
                        arrayShiftRight(starts[from_step], 1),
                        arrayShiftRight(starts[to_step], 1)
                    ),
                    {removing_bits:Array(UInt8)},
                    {removing_from:Array(UInt8)},
                    {removing_to:Array(UInt8)}
                )
            )
        )
    )
)
