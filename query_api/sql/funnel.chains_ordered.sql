-- funnel.chains_ordered: each user's deepest, then earliest chain; any other events may lie between.
-- Caller: query_api/funnel_sql.py chains_sql(), for order "ordered" without exclusions and hold_constant
-- Params: steps UInt8, window_ms Int64; fragment user_events
-- Rows:   those of user_events and level UInt8, chain Array(UInt64): positions of e1 to e(level)
-- Source: DESIGN-funnel.md, "Ordered". level_starts.1: for each position the latest start of a chain of the last step;
--         level_starts.2: for each step before it the first position that completes it.
SELECT
    *,
    arrayFold(
        (chain, step) -> arrayPushBack(
            chain,
            chain[-1] + arrayFirstIndex(mask -> bitTest(mask, step), arraySlice(masks, chain[-1] + 1))
        ),
        range(1, level),
        [toUInt64(arrayFirstIndex((now_ms, mask) -> bitTest(mask, 0) AND now_ms >= earliest_ms, at_ms, masks))]
    ) AS chain
FROM
(
    SELECT
        *,
        at_ms[firsts[level]] - {window_ms:Int64} AS earliest_ms
    FROM
    (
        SELECT
            *,
            toUInt8(arrayCount(first -> first != 0, firsts)) AS level
        FROM
        (
            SELECT
                * EXCEPT (level_starts),
                arrayPushBack(level_starts.2, arrayFirstIndex(start_ms -> start_ms != 0, level_starts.1)) AS firsts
            FROM
            (
                SELECT
                    *,
                    arrayFold(
                        (state, step) -> (
                            arrayFill(
                                start_ms -> start_ms != 0,
                                arrayMap(
                                    (now_ms, mask, start_ms) -> if(
                                        bitTest(mask, step) AND start_ms != 0 AND now_ms - start_ms <= {window_ms:Int64},
                                        start_ms,
                                        0
                                    ),
                                    at_ms,
                                    masks,
                                    arrayShiftRight(state.1, 1)
                                )
                            ),
                            arrayPushBack(state.2, arrayFirstIndex(start_ms -> start_ms != 0, state.1))
                        ),
                        range(1, {steps:UInt8}),
                        (
                            arrayFill(
                                start_ms -> start_ms != 0,
                                arrayMap((now_ms, mask) -> if(bitTest(mask, 0), now_ms, 0), at_ms, masks)
                            ),
                            emptyArrayUInt32()
                        )
                    ) AS level_starts
                FROM
                (
                    {{user_events}}
                )
            )
        )
    )
)
