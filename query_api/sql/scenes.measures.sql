-- scenes.measures: every metric of every row but costs.  Caller: query_api/scenes.py _measured()
-- Params: range_from_ms, range_to_ms Int64 (epoch ms, end exclusive), starts Array(Int64) (epoch ms of the days), numbers Array(UInt16)
--         (0, 1, …), days_to_ms Int64 (end of the last day), mature_days UInt16 (days whose next day has ended); fragments parts (user and the
--         columns of scenes.entry_parts; a session may have several rows), at and mark (of an order key k), first_mark, first_at and
--         mirrored_mark (of first_entry and first_mirrored), last_mark (of conversions), of_session and of_user (their conversions), steps
--         (keys of entries and conversions, in order; all three empty where nothing converts), tied (a condition on the keys k and
--         previous: their order is open), value (the sum of values where is_conversion), names (order_keys.names)
-- Rows:   key String (packed; empty: the total), launches, entries, users, new_users, next_day_eligible, next_day_returned, sessions,
--         bounces, page_views UInt64, median_stay_ms, mean_stay_ms Float64, conversions, converters UInt64, conversion_value Float64; and
--         UInt8, of any: undecided (event_id decides which entry was a user's first), undecided_sessions (or a session's),
--         undecided_conversions (or the last before one), silent (there are sessions to be cut): then the numbers of users, of sessions or
--         of conversions do not hold
-- Source: each event is read once. A user becomes one row with three arrays, sessions, entries and conversions of the range; each element is
--         a number that adds to one row of the report. Its low bits: 0 to 50 the number of the key, 51 a session, 52 undecided. Of a session
--         then 40 bits of stay and 35 of views. Of others: 53 an entry, 54 an app_launch, 55 a user, 56 new, 57 eligible, 58 returned, 59
--         for the total (then 54: the last entry before a conversion is open), 60 silent; a user stands at the first entry of each key, and
--         once for the total. 61 a conversion, 62 the user's first of the key, 63 of all, above them its value. The metrics are those of
--         scenes.user_metrics, scenes.sessions and scenes.conversions.
SELECT
    names.key AS key,
    counted.*
FROM
(
    SELECT
        number,
        toBool(grouping(number)) AS is_total,
        countIf(is_entry AND bitTest(low, 54)) AS launches,
        countIf(is_entry AND NOT bitTest(low, 54)) AS entries,
        if(is_total, countIf(of_total AND bitTest(low, 55)), countIf(is_entry AND bitTest(low, 55))) AS users,
        if(is_total, countIf(of_total AND bitTest(low, 56)), countIf(is_entry AND bitTest(low, 56))) AS new_users,
        if(is_total, countIf(of_total AND bitTest(low, 57)), countIf(is_entry AND bitTest(low, 57))) AS next_day_eligible,
        if(is_total, countIf(of_total AND bitTest(low, 58)), countIf(is_entry AND bitTest(low, 58))) AS next_day_returned,
        countIf(is_visit) AS sessions,
        countIf(is_visit AND views <= 1) AS bounces,
        sumIf(views, is_visit) AS page_views,
        quantileExactInclusiveIf(0.5)(stay_ms, is_visit) AS median_stay_ms,
        avgIf(stay_ms, is_visit) AS mean_stay_ms,
        countIf(is_conversion) AS conversions,
        if(is_total, countIf(is_conversion AND bitTest(low, 63)), countIf(is_conversion AND bitTest(low, 62))) AS converters,
        {{value}} AS conversion_value,
        max(of_total AND bitTest(low, 52)) AS undecided,
        max(is_session AND bitTest(low, 52)) AS undecided_sessions,
        max(of_total AND bitTest(low, 54)) AS undecided_conversions,
        max(of_total AND bitTest(low, 60)) AS silent
    FROM
    (
        SELECT
            toUInt64(one) AS low,
            bitAnd(low, 0x7FFFFFFFFFFFF) AS number,
            bitTest(low, 51) AS is_session,
            is_session AND number != 0 AS is_visit,
            NOT is_session AND bitTest(low, 53) AS is_entry,
            NOT is_session AND bitTest(low, 59) AS of_total,
            NOT is_session AND bitTest(low, 61) AS is_conversion,
            if(is_conversion, reinterpretAsFloat64(toUInt64(bitShiftRight(one, 64))), 0.) AS converted_value,
            toInt64(bitAnd(bitShiftRight(one, 53), 0xFFFFFFFFFF)) AS stay_ms,
            toUInt64(bitShiftRight(one, 93)) AS views
        FROM
        (
            SELECT arrayJoin(arrayConcat(visits, of_entries, of_user, of_conversions)) AS one
            FROM
            (
                SELECT
                    visits,
                    arrayFilter(k -> {{mark}} != 0 AND {{at}} < {range_to_ms:Int64}, entries) AS counted,
                    arrayMap(k -> bitShiftRight({{mark}}, 1), counted) AS key_numbers,
                    arrayMap(
                        k -> transform(roundDown({{at}}, {starts:Array(Int64)}), {starts:Array(Int64)}, {numbers:Array(UInt16)}, toUInt16(0)),
                        arrayFilter(k -> {{at}} < {days_to_ms:Int64}, entries)
                    ) AS active_days,
                    arrayMap(
                        k -> transform(roundDown({{at}}, {starts:Array(Int64)}), {starts:Array(Int64)}, {numbers:Array(UInt16)}, toUInt16(0)),
                        counted
                    ) AS days,
                    bitShiftRight({{first_mark}}, 1) AS first_number,
                    first_number != 0 AND {{first_at}} >= {range_from_ms:Int64} AND {{first_at}} < {range_to_ms:Int64} AS is_new,
                    arrayMap(
                        (k, number, day, place) -> toUInt128(
                            number
                            + bitShiftLeft(toUInt64(1), 53)
                            + bitShiftLeft(toUInt64({{mark}} % 2), 54)
                            + if(
                                place = 1,
                                bitShiftLeft(toUInt64(1), 55)
                                + bitShiftLeft(toUInt64(is_new AND number = first_number), 56)
                                + bitShiftLeft(toUInt64(day < {mature_days:UInt16}), 57)
                                + bitShiftLeft(toUInt64(day < {mature_days:UInt16} AND has(active_days, day + 1)), 58),
                                toUInt64(0)
                            )
                        ),
                        counted,
                        key_numbers,
                        days,
                        arrayEnumerateUniq(key_numbers)
                    ) AS of_entries,
                    {{steps}} AS steps,
                    arrayFilter(
                        (k, step) -> toUInt64(bitAnd(step, {{last_mark}})) = {{last_mark}},
                        arrayFill(k -> {{mark}} != {{last_mark}}, steps),
                        steps
                    ) AS entries_before,
                    arrayFilter((value, k) -> {{mark}} != {{last_mark}}, conversions.2, entries_before) AS credited_values,
                    arrayMap(k -> bitShiftRight({{mark}}, 1), arrayFilter(k -> {{mark}} != {{last_mark}}, entries_before)) AS credited,
                    arrayMap(
                        (number, value, place, place_of_all) -> bitShiftLeft(toUInt128(reinterpretAsUInt64(value)), 64)
                        + toUInt128(
                            number
                            + bitShiftLeft(toUInt64(1), 61)
                            + bitShiftLeft(toUInt64(place = 1), 62)
                            + bitShiftLeft(toUInt64(place_of_all = 1), 63)
                        ),
                        credited,
                        credited_values,
                        arrayEnumerateUniq(credited),
                        arrayEnumerate(credited)
                    ) AS of_conversions,
                    notEmpty(conversions) AND arrayExists((k, previous) -> {{tied}}, arrayPopFront(steps), arrayPopBack(steps)) AS is_tied,
                    if(
                        empty(counted) AND NOT has_silent,
                        CAST([], 'Array(UInt128)'),
                        [toUInt128(
                            bitShiftLeft(toUInt64(1), 59)
                            + bitShiftLeft(toUInt64(has_silent), 60)
                            + if(
                                empty(counted),
                                toUInt64(0),
                                bitShiftLeft(toUInt64(first_number != bitShiftRight({{mirrored_mark}}, 1)), 52)
                                + bitShiftLeft(toUInt64(is_tied), 54)
                                + bitShiftLeft(toUInt64(1), 55)
                                + bitShiftLeft(toUInt64(is_new), 56)
                                + bitShiftLeft(toUInt64(days[1] < {mature_days:UInt16}), 57)
                                + bitShiftLeft(toUInt64(days[1] < {mature_days:UInt16} AND has(active_days, days[1] + 1)), 58)
                            )
                        )]
                    ) AS of_user
                FROM
                (
                    SELECT
                        min(first_entry) AS first_entry,
                        min(first_mirrored) AS first_mirrored,
                        max(has_silent) AS has_silent,
                        arraySort(groupArrayArray(entries)) AS entries,
                        {{of_user}} AS conversions,
                        groupArrayIf(visit, in_range AND (visit_number != 0 OR visit_undecided)) AS visits
                    FROM
                    (
                        SELECT
                            user,
                            min(part.first_entry) AS first_entry,
                            min(part.first_mirrored) AS first_mirrored,
                            max(part.has_silent) AS has_silent,
                            groupArrayArray(part.entries) AS entries,
                            {{of_session}} AS conversions,
                            min(part.first_ms) AS first_ms,
                            max(part.last_ms) AS last_ms,
                            first_ms >= {range_from_ms:Int64} AND first_ms < {range_to_ms:Int64} AND notEmpty(entries) AS in_range,
                            bitShiftRight({{first_mark}}, 1) AS visit_number,
                            visit_number != bitShiftRight({{mirrored_mark}}, 1) AS visit_undecided,
                            toUInt128(visit_number)
                            + bitShiftLeft(toUInt128(1), 51)
                            + bitShiftLeft(toUInt128(visit_undecided), 52)
                            + bitShiftLeft(toUInt128(last_ms - first_ms), 53)
                            + bitShiftLeft(toUInt128(sum(part.views)), 93) AS visit
                        FROM
                        (
                            {{parts}}
                        ) AS part
                        GROUP BY
                            user,
                            session
                    )
                    GROUP BY user
                )
            )
        )
    )
    GROUP BY GROUPING SETS
    (
        (number),
        ()
    )
    HAVING is_total OR number != 0
) AS counted
ANY LEFT JOIN
(
    {{names}}
) AS names ON names.number = counted.number
