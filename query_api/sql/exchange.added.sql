-- exchange.added: what each user adds to each row of the report.  Caller: query_api/exchange.py _added()
-- Params: range_to_ms Int64 (epoch ms), starts Array(Int64) (epoch ms of the days), numbers Array(UInt16) (0, 1, …), mature_days UInt16 (days
--         whose next day has ended); fragments entries and others (SELECTs of user and of entries, has_before, came, conversions, exits;
--         each event in one of them), at and mark (of an order key k), last_mark (of conversions), tied_first, tied (conditions: the order
--         of the keys k and first_entry, k and previous is open)
-- Rows:   user UInt64, number UInt64 (0: the total), what UInt16, amount Float64 (of a conversion), undecided Bool (event_id decides which entry
--         was the first, or the last before a conversion). Each row adds one to what the bits of `what` name: 0 launches, 1 entries, 2 users
--         in, 3 new, 4 eligible, 5 returned, 6 conversions, 7 converters, 8 exits, 9 users out, 10 users both. A user has each of the
--         bits that count users once for a number.
-- Source: each event is read once. entries: order keys from the beginning of the range on, all of them, since users return by any; a user
--         is new whose first one counts and who had none before (has_before). A conversion counts for the entry that arrayFill carries on
--         to it. came, exits: numbers of exchange.entry and exchange.exit, by which rows and partners are compared; a row that is
--         "other" has those of several.
SELECT
    user,
    one.1 AS number,
    toUInt16(one.2) AS what,
    one.3 AS amount,
    undecided
FROM
(
    SELECT
        user,
        arrayJoin(arrayConcat(of_entries, of_conversions, of_exits, of_both)) AS one,
        is_first_open OR is_last_open AS undecided
    FROM
    (
        SELECT
            user,
            arraySort(groupArrayArray(part.entries)) AS entries,
            arraySort(groupArrayArray(part.conversions)) AS conversions,
            groupArrayArray(part.exits) AS exits,
            groupUniqArrayArray(part.came) AS came,
            max(part.has_before) AS has_before,

            -- Entries.
            arrayFilter(k -> {{at}} < {range_to_ms:Int64}, entries) AS of_range,
            arrayFilter(k -> bitTest({{mark}}, 0), of_range) AS counted,
            arrayMap(
                k -> transform(roundDown({{at}}, {starts:Array(Int64)}), {starts:Array(Int64)}, {numbers:Array(UInt16)}, toUInt16(0)),
                entries
            ) AS all_days,
            arrayDistinct(all_days) AS active_days,
            arrayFilter((day, k) -> {{at}} < {range_to_ms:Int64} AND bitTest({{mark}}, 0), all_days, entries) AS days,
            arrayMap(k -> bitShiftRight({{mark}}, 2), counted) AS key_numbers,
            -- Each counts for its row, and for the total.
            arrayConcat(key_numbers, arrayWithConstant(length(counted), toUInt64(0))) AS in_numbers,
            entries[1] AS first_entry,
            key_numbers[1] AS first_number,
            NOT has_before AND notEmpty(counted) AND counted[1] = first_entry AS is_new,
            arrayMap(
                (k, day, number, place) -> (
                    number,
                    if(bitTest({{mark}}, 1), 1, 2)
                    + if(
                        place = 1,
                        4
                        + 8 * (is_new AND (number = 0 OR number = first_number))
                        + 16 * (day < {mature_days:UInt16})
                        + 32 * (day < {mature_days:UInt16} AND has(active_days, day + 1)),
                        0
                    ),
                    toFloat64(0)
                ),
                arrayConcat(counted, counted),
                arrayConcat(days, days),
                in_numbers,
                arrayEnumerateUniq(in_numbers)
            ) AS of_entries,
            NOT has_before AND arrayExists(k -> {{tied_first}}, of_range) AS is_first_open,

            -- Conversions.
            arraySort(arrayConcat(arrayFilter(k -> {{mark}} != 0, of_range), conversions.1)) AS steps,
            arrayFilter(
                (k, step) -> step,
                arrayFill(k -> {{mark}} != {{last_mark}}, steps),
                arrayMap(k -> {{mark}} = {{last_mark}}, steps)
            ) AS entries_before,
            arrayMap(k -> {{mark}} != {{last_mark}} AND bitTest({{mark}}, 0), entries_before) AS are_credited,
            arrayMap(k -> bitShiftRight({{mark}}, 2), arrayFilter((k, is) -> is, entries_before, are_credited)) AS credited,
            arrayFilter((amount, is) -> is, conversions.2, are_credited) AS amounts,
            arrayConcat(credited, arrayWithConstant(length(credited), toUInt64(0))) AS credited_numbers,
            arrayMap(
                (number, amount, place) -> (number, 64 + 128 * (place = 1), amount),
                credited_numbers,
                arrayConcat(amounts, amounts),
                arrayEnumerateUniq(credited_numbers)
            ) AS of_conversions,
            notEmpty(conversions) AND arrayExists((k, previous) -> {{tied}}, arrayPopFront(steps), arrayPopBack(steps)) AS is_last_open,

            -- Exits, and who came and was sent.
            arrayConcat(exits.1, arrayWithConstant(length(exits), toUInt64(0))) AS out_numbers,
            arrayMap(
                (number, place) -> (number, 256 + 512 * (place = 1), toFloat64(0)),
                out_numbers,
                arrayEnumerateUniq(out_numbers)
            ) AS of_exits,
            arrayDistinct(exits.2) AS out_rows,
            arrayDistinct(arrayMap(one -> one.1, arrayFilter(one -> has(out_rows, one.2), came))) AS both_numbers,
            arrayMap(
                number -> (number, 1024, toFloat64(0)),
                if(hasAny(came.3, exits.3), arrayPushBack(both_numbers, toUInt64(0)), both_numbers)
            ) AS of_both
        FROM
        (
            {{entries}}
            UNION ALL
            {{others}}
        ) AS part
        GROUP BY user
    )
)
