-- funnel.chains_any: each user's most different steps within the window of one event, in any order.
-- Caller: query_api/funnel_sql.py chains_sql(), for order "any" where no event can match two steps
-- Params: steps UInt8, window_ms Int64, entry_to_ms Int64 (the earliest event lies before it), boundary UInt64;
--         fragment user_events, with gaps and ranks
-- Rows:   those of user_events and level UInt8, chain Array(UInt64): positions of the set's events in their order
-- Source: DESIGN-funnel.md, "Any order". counts: steps that occur within the window from an event on.
SELECT
    * EXCEPT (counts, entry, run_length, run_masks, run_at_ms),
    arraySort(
        arrayFilter(
            position -> position != 0,
            arrayMap(
                step -> arrayMap(
                    distance -> if(
                        distance != 0 AND run_at_ms[distance] - run_at_ms[1] <= {window_ms:Int64},
                        toUInt64(entry + distance - 1),
                        toUInt64(0)
                    ),
                    [arrayFirstIndex(mask -> bitTest(mask, step), run_masks)]
                )[1],
                range({steps:UInt8})
            )
        )
    ) AS chain
FROM
(
    SELECT
        *,
        arraySlice(masks, entry, run_length) AS run_masks,
        arraySlice(at_ms, entry, run_length) AS run_at_ms
    FROM
    (
        SELECT
            *,
            arrayFirstIndex(
                gap -> bitAnd(gap, {boundary:UInt64}) != 0,
                arrayPushBack(arraySlice(gaps, entry + 1), {boundary:UInt64})
            ) AS run_length
        FROM
        (
            SELECT
                *,
                indexOf(
                    ranks, arrayMin(arrayFilter((rank, count) -> count = level, ranks, counts))
                ) AS entry
            FROM
            (
                SELECT
                    *,
                    arrayMax(counts) AS level
                FROM
                (
                    SELECT
                        * EXCEPT (all_counts),
                        arrayMap(
                            (count, now_ms, mask) -> if(mask != 0 AND now_ms < {entry_to_ms:Int64}, count, 0),
                            all_counts,
                            at_ms,
                            masks
                        ) AS counts
                    FROM
                    (
                        SELECT
                            *,
                            arrayFold(
                                (counts, step) -> arrayMap(
                                    (count, now_ms, next_ms) -> toUInt8(
                                        count + (next_ms > 1 AND next_ms - now_ms <= {window_ms:Int64})
                                    ),
                                    counts,
                                    at_ms,
                                    arrayReverseFill(
                                        next_ms -> next_ms != 0,
                                        arrayMap(
                                            (now_ms, mask, next_gap) -> multiIf(
                                                bitTest(mask, step),
                                                now_ms,
                                                bitAnd(next_gap, {boundary:UInt64}) != 0,
                                                toInt64(1),
                                                toInt64(0)
                                            ),
                                            at_ms,
                                            masks,
                                            arrayShiftLeft(gaps, 1)
                                        )
                                    )
                                ),
                                range({steps:UInt8}),
                                arrayMap(mask -> toUInt8(0), masks)
                            ) AS all_counts
                        FROM
                        (
                            {{user_events}}
                        )
                    )
                )
            )
        )
    )
)
WHERE level > 0
