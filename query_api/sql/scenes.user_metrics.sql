-- scenes.user_metrics: what each user adds to each row of the report.  Caller: query_api/scenes.py user_metrics()
-- Params: range_from_ms, range_to_ms Int64 (epoch ms, end exclusive), starts Array(Int64) (epoch ms of the days), numbers
--         Array(UInt16) (0, 1, …), mature_days UInt16 (days whose next day has ended),
--         no_day UInt16 (greater than any day); fragments number (of a key, 51 bits), place and mirrored_place (the entry as an order key,
--         over mark), first and mirrored (mark of first_entry and of first_mirrored), matches (condition), names (order_keys.names), source
--         (all app_launch and app_show from the beginning of history to the day after the range)
-- Rows:   user UInt64, key String (packed; empty: the total), launches, entries UInt64, and UInt64 0 or 1: users, new_users,
--         next_day_eligible, next_day_returned; each (user, key) once, so that adding up counts users; undecided Bool: event_id decides which
--         entry was the user's first, if not all numbers hold
-- Source: one pass over numbers. An app_launch or app_show counts when it lies in the range and matches the filter; new users and returns
--         look at all of them. The least number is the first entry; mirrored, its key is the greatest of those that share its time and
--         seq: where the two are not one key, the order is open. No key has the number 0: that is the total.
SELECT
    user,
    names.key AS key,
    launches,
    entries,
    users,
    new_users,
    next_day_eligible,
    next_day_returned,
    undecided
FROM
(
    SELECT
        user,
        undecided,
        one.1 AS key_number,
        one.2 AS launches,
        one.3 AS entries,
        toUInt64(one.4 != {no_day:UInt16}) AS users,
        toUInt64(bitTest(first_mark, 0) AND (key_number = 0 OR key_number = bitShiftRight(first_mark, 1))) AS new_users,
        toUInt64(one.4 < {mature_days:UInt16}) AS next_day_eligible,
        toUInt64(one.4 < {mature_days:UInt16} AND has(active_days, one.4 + 1)) AS next_day_returned
    FROM
    (
        SELECT
            user,
            {{first}} AS first_mark,
            first_mark != {{mirrored}} AS undecided,
            active_days,
            arrayJoin(arrayPushBack(of_keys, (toUInt64(0), all_launches, all_entries, all_first_day))) AS one
        FROM
        (
            SELECT
                user,
                min(first_of_key) AS first_entry,
                min(mirrored_of_key) AS first_mirrored,
                arrayDistinct(groupArrayArray(days)) AS active_days,
                groupArray((key_number, launches, entries, first_day)) AS of_keys,
                sum(launches) AS all_launches,
                sum(entries) AS all_entries,
                min(first_day) AS all_first_day
            FROM
            (
                SELECT
                    user,
                    key_number,
                    countIf(counts AND is_launch) AS launches,
                    countIf(counts AND NOT is_launch) AS entries,
                    min(if(counts, day, {no_day:UInt16})) AS first_day,
                    min(place) AS first_of_key,
                    min(mirrored_place) AS mirrored_of_key,
                    groupArrayIf(day, at_ms >= {range_from_ms:Int64}) AS days
                FROM
                (
                    SELECT
                        *,
                        key_number * 2 + counts AS mark,
                        {{place}} AS place,
                        {{mirrored_place}} AS mirrored_place
                    FROM
                    (
                        SELECT
                            user,
                            seq,
                            event_id,
                            app_id,
                            occurred_at,
                            event = 'app_launch' AS is_launch,
                            toUnixTimestamp64Milli(occurred_at) AS at_ms,
                            {{number}} AS key_number,
                            ({{matches}}) AND at_ms >= {range_from_ms:Int64} AND at_ms < {range_to_ms:Int64} AS counts,
                            transform(roundDown(at_ms, {starts:Array(Int64)}), {starts:Array(Int64)}, {numbers:Array(UInt16)}, toUInt16(0)) AS day
                        FROM
                        (
                            {{source}}
                        )
                    )
                )
                GROUP BY
                    user,
                    key_number
            )
            GROUP BY user
        )
    )
) AS counted
ANY LEFT JOIN
(
    {{names}}
) AS names ON names.number = counted.key_number
