-- interval.pairs: every start with its end, and the time between.  Caller: query_api/interval.py _pairs()
-- Params: max_gap_ms Int64; pair_from_ms, pair_to_ms Int64 (where the start of a pair may lie, end exclusive); starts
--         Array(Int64) (epoch ms of the periods); fragments source, is_start, is_end (conditions), held (an expression: what the
--         events of a pair share), held_there (whether an event has it), start_key (of a start), order (source.order), pairing (interval.pairing_*),
--         folded (of key)
-- Rows:   user UInt64, start_ms Int64, bucket_ms Int64 (start of the period of start_ms), gap_ms Int64, key String (packed);
--         one for each pair
-- Source: one pass. An event that is both ends one stretch and begins the next: it stands twice in the user's array, as end
--         (0) before as start (1). A stretch is what lies after an end up to and with the next one.
-- Order:  occurred_at, seq, event_id; end before start of the same event.
SELECT
    user,
    pair.1 AS start_ms,
    roundDown(start_ms, {starts:Array(Int64)}) AS bucket_ms,
    pair.2 AS gap_ms,
    {{folded}} AS key
FROM
(
    SELECT
        user,
        pair,
        pair.3 AS key
    FROM
    (
        SELECT
            user,
            {{pairing}} AS pair
        FROM
        (
            SELECT
                user,
                arrayJoin(
                    arraySplit(
                        (one, is_after_end) -> is_after_end,
                        marks,
                        arrayPushFront(arrayPopBack(arrayMap(one -> one.2 = 0, marks)), false)
                    )
                ) AS stretch,
                stretch[-1].1 AS end_ms
            FROM
            (
                SELECT
                    user,
                    arraySort(
                        one -> one.4,
                        groupArray((at_ms, is_start_mark, key, concat(event_order, char(is_start_mark))))
                    ) AS marks
                FROM
                (
                    SELECT
                        user,
                        toUnixTimestamp64Milli(occurred_at) AS at_ms,
                        {{order}} AS event_order,
                        {{held}} AS held,
                        {{start_key}} AS key,
                        arrayJoin(
                            arrayConcat(
                                if({{is_end}}, [toUInt8(0)], []),
                                if({{is_start}}, [toUInt8(1)], [])
                            )
                        ) AS is_start_mark
                    FROM
                    (
                        {{source}}
                    )
                    WHERE {{held_there}}
                )
                GROUP BY
                    user,
                    held
                HAVING min(is_start_mark) = 0 AND max(is_start_mark) = 1
            )
        )
        WHERE stretch[-1].2 = 0
    )
    WHERE pair.1 >= {pair_from_ms:Int64}
        AND pair.1 < {pair_to_ms:Int64}
        AND pair.2 <= {max_gap_ms:Int64}
)
