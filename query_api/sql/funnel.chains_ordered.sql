SELECT
    *,
    arrayFold(
        (state, step) -> (
            arrayFill(
                start_ms -> start_ms != 0,
                arrayMap(
                    (now_ms, mask, start_ms) -> if(bitTest(mask, step) AND now_ms - start_ms <= {window_ms:Int64}, start_ms, 0),
                    at_ms,
                    masks,
                    arrayShiftRight(state.1, 1)
                )
            ) AS starts_ms,
            arrayPushBack(state.2, arrayFirstIndex(start_ms -> start_ms != 0, starts_ms))
        ),
        range(1, {steps:UInt8}),
        (
            arrayFill(start_ms -> start_ms != 0, arrayMap((now_ms, mask) -> if(bitTest(mask, 0), now_ms, 0), at_ms, masks)),
            [arrayFirstIndex(mask -> bitTest(mask, 0), masks)]
        )
    ).2 AS firsts,
    toUInt8(arrayCount(first -> first != 0, firsts)) AS level,
    at_ms[firsts[level]] - {window_ms:Int64} AS earliest_ms,
    arrayFold(
        (chain, step) -> arrayPushBack(
            chain,
            arrayFirstIndex((position, mask) -> position > chain[-1] AND bitTest(mask, step), arrayEnumerate(masks), masks)
        ),
        range(1, level),
        [arrayFirstIndex((now_ms, mask) -> bitTest(mask, 0) AND now_ms >= earliest_ms, at_ms, masks)]
    ) AS chain
FROM
(
    {{user_events}}
)
