-- funnel.chains_any: each user's most different steps within the window of one event, in any order.
-- Caller: query_api/funnel_sql.py chains_sql(), for order "any" where no event can match two steps
-- Params: steps UInt8, window_ms Int64, entry_to_ms Int64 (the earliest event lies before it), boundary UInt64;
--         fragment user_events, with gaps and ranks
-- Rows:   those of user_events and level UInt8, chain Array: positions of the set's events in their order
-- Source: DESIGN-funnel.md, "Any order". counts: steps that occur within the window from an event on.
SELECT
    *,
    arrayFold(
        (counts, step) -> arrayMap(
            (count, now_ms, next_ms) -> toUInt8(count + (next_ms > 1 AND next_ms - now_ms <= {window_ms:Int64})),
            counts,
            at_ms,
            arrayReverseFill(
                next_ms -> next_ms != 0,
                arrayMap(
                    (now_ms, mask, next_gap) -> multiIf(
                        bitTest(mask, step), now_ms, bitAnd(next_gap, {boundary:UInt64}) != 0, toInt64(1), toInt64(0)
                    ),
                    at_ms,
                    masks,
                    arrayShiftLeft(gaps, 1)
                )
            )
        ),
        range({steps:UInt8}),
        arrayMap(mask -> toUInt8(0), masks)
    ) AS counts,
    arrayMap(
        (count, now_ms, mask) -> if(mask != 0 AND now_ms < {entry_to_ms:Int64}, count, 0), counts, at_ms, masks
    ) AS entry_counts,
    arrayMax(entry_counts) AS level,
    indexOf(ranks, arrayMin(arrayFilter((rank, count) -> count = level, ranks, entry_counts))) AS entry,
    arrayFirstIndex(gap -> bitAnd(gap, {boundary:UInt64}) != 0, arraySlice(gaps, entry + 1)) AS run_length,
    arraySlice(masks, entry, if(run_length = 0, length(masks), run_length)) AS run_masks,
    arraySort(
        arrayFilter(
            position -> position >= entry AND at_ms[position] - at_ms[entry] <= {window_ms:Int64},
            arrayMap(
                step -> if(
                    arrayFirstIndex(mask -> bitTest(mask, step), run_masks) AS distance = 0,
                    toUInt64(0),
                    toUInt64(entry + distance - 1)
                ),
                range({steps:UInt8})
            )
        )
    ) AS chain
FROM
(
    {{user_events}}
)
