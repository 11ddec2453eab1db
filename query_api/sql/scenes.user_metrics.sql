-- scenes.user_metrics: what each user adds to each row of the report.  Caller: query_api/scenes.py _user_metrics()
-- Params: range_from_ms, range_to_ms Int64 (epoch ms, end exclusive), starts Array(Int64) (epoch ms of the days), numbers
--         Array(UInt16) (0, 1, …), mature_days UInt16 (days whose next day has ended),
--         no_day UInt16 (greater than any day); fragments key (packed),
--         matches (condition), order (source.order), source (all app_launch and app_show from the beginning of history to the day after the range)
-- Rows:   user UInt64, key String (packed; empty: the total), metric String, n UInt64; n is 1 for metrics that count users, and then each
--         (user, key, metric) occurs once, so that counting rows counts users
-- Source: one pass. An app_launch or app_show counts when it lies in the range and matches the filter; new users and returns look at all of them.
SELECT
    user,
    one.1 AS key,
    metric_and_n.1 AS metric,
    metric_and_n.2 AS n
FROM
(
    SELECT
        user,
        one,
        arrayJoin(
            arrayFilter(
                pair -> pair.2 > 0,
                [
                    ('launches', one.2),
                    ('entries', one.3),
                    ('users', toUInt64(one.4 != {no_day:UInt16})),
                    ('new_users', toUInt64(first_counts AND (empty(one.1) OR one.1 = first_key))),
                    ('next_day_eligible', toUInt64(one.4 < {mature_days:UInt16})),
                    ('next_day_returned', toUInt64(one.4 < {mature_days:UInt16} AND has(active_days, one.4 + 1)))
                ]
            )
        ) AS metric_and_n
    FROM
    (
        SELECT
            user,
            argMin(key, first_order) AS first_key,
            argMin(key_first_counts, first_order) AS first_counts,
            groupUniqArrayArray(days) AS active_days,
            arrayJoin(
                arrayPushBack(
                    groupArray((key, launches, entries, first_day)),
                    ('', sum(launches), sum(entries), min(first_day))
                )
            ) AS one
        FROM
        (
            SELECT
                user,
                key,
                countIf(counts AND event = 'app_launch') AS launches,
                countIf(counts AND event = 'app_show') AS entries,
                if(countIf(counts) > 0, minIf(day, counts), {no_day:UInt16}) AS first_day,
                min(entry_order) AS first_order,
                argMin(counts, entry_order) AS key_first_counts,
                groupUniqArray(day) AS days
            FROM
            (
                SELECT
                    user,
                    event,
                    {{order}} AS entry_order,
                    toUnixTimestamp64Milli(occurred_at) AS at_ms,
                    {{key}} AS key,
                    ({{matches}}) AND at_ms >= {range_from_ms:Int64} AND at_ms < {range_to_ms:Int64} AS counts,
                    transform(roundDown(at_ms, {starts:Array(Int64)}), {starts:Array(Int64)}, {numbers:Array(UInt16)}, toUInt16(0)) AS day
                FROM
                (
                    {{source}}
                )
            )
            GROUP BY
                user,
                key
        )
        GROUP BY user
    )
)
