-- interval.pairs: every start with its end, and the time between.  Caller: query_api/interval.py _pairs()
-- Params: max_gap_ms Int64; pair_from_ms, pair_to_ms Int64 (where the start of a pair may lie, end exclusive); starts
--         Array(Int64) (epoch ms of the periods); fragments collected (by_actor.collected: numbers of a user's events, or of those that share
--         what is held constant, with marks of 52 bits: 0 an end, 1 a start, from 2 on the number of a start's key), undecided (of keys), and at and payload of what stands in their names (order_keys.py), pairing
--         (interval.pairing_*), key (of a pair), names (order_keys.names, joined by key_number, or nothing), person (the column person_part, or
--         nothing)
-- Rows:   user UInt64, start_ms Int64, bucket_ms Int64 (start of the period of start_ms), gap_ms Int64, key String (packed),
--         undecided Bool; one for each pair. Where the number leaves the order of two of a user's events open, undecided and at least one row
-- Source: one pass over plain numbers. A stretch is what lies after an end up to and with the next one; an event that is both ends
--         one stretch and begins the next.
-- Order:  occurred_at, seq, event_id; end before start of the same event.
SELECT
    user,
    start_ms,
    roundDown(start_ms, {starts:Array(Int64)}) AS bucket_ms,
    gap_ms,
    key,
    undecided
FROM
(
    SELECT
        user,
        start_ms,
        gap_ms,
        undecided,
        {{key}} AS key
    FROM
    (
        SELECT
            user{{person}},
            undecided,
            {{at_start}} AS start_ms,
            end_ms - start_ms AS gap_ms,
            bitShiftRight({{payload_start}}, 2) AS key_number
        FROM
        (
            SELECT
                user{{person}},
                undecided,
                end_ms,
                arrayJoin(if(undecided, [stretch_end], {{pairing}})) AS start
            FROM
            (
                SELECT
                    user{{person}},
                    undecided,
                    stretch.1[-1] AS stretch_end,
                    {{at_stretch_end}} AS end_ms,
                    stretch.2 AS previous,
                    arrayConcat(if(stretch.3 > 1 AND bitTest({{payload_previous}}, 1), [previous], []), arrayPopBack(stretch.1)) AS waiting
                FROM
                (
                    SELECT
                        user{{person}},
                        undecided,
                        arraySplit((k, previous) -> bitTest({{payload_previous}}, 0), keys, arrayPushFront(arrayPopBack(keys), keys[1])) AS stretches,
                        arrayJoin(
                            arrayZip(
                                stretches,
                                arrayPushFront(arrayPopBack(arrayMap(one -> one[-1], stretches)), keys[1]),
                                arrayEnumerate(stretches)
                            )
                        ) AS stretch
                    FROM
                    (
                        SELECT
                            user{{person}},
                            keys,
                            {{undecided}} AS undecided
                        FROM
                        (
                            SELECT
                                user{{person}},
                                arraySort(numbers) AS keys
                            FROM
                            (
                                {{collected}}
                            )
                        )
                    )
                )
                WHERE bitTest({{payload_stretch_end}}, 0)
            )
        )
        WHERE undecided
            OR (start_ms >= {pair_from_ms:Int64} AND start_ms < {pair_to_ms:Int64} AND gap_ms <= {max_gap_ms:Int64})
    ) AS pairs
    {{names}}
)
