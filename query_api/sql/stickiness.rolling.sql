-- stickiness.rolling: the days in whose last 1, 7 or 30 days a user was active.  Caller: query_api/stickiness.py _rolling()
-- Params: day_starts Array(Int64) (epoch ms: 29 days before the first one asked for, then those asked for), day_numbers
--         Array(UInt16) (0, 1, …), min_count UInt32; fragment source
-- Rows:   user UInt64, day UInt16 (from 29), days UInt8 (1, 7 or 30); each row once, so that counting rows counts users
-- Source: one pass; each active day covers itself and the 0, 6 or 29 days after it.
SELECT
    user,
    day_and_days.1 AS day,
    day_and_days.2 AS days
FROM
(
    SELECT
        user,
        arrayJoin(
            arrayFlatten(
                arrayMap(
                    days -> arrayMap(
                        day -> (day, days),
                        arrayFilter(
                            day -> day >= 29 AND day < length({day_starts:Array(Int64)}),
                            arrayDistinct(arrayFlatten(arrayMap(day -> range(day, toUInt16(day + days)), active_days)))
                        )
                    ),
                    [toUInt8(1), toUInt8(7), toUInt8(30)]
                )
            )
        ) AS day_and_days
    FROM
    (
        SELECT
            user,
            groupArray(day) AS active_days
        FROM
        (
            SELECT
                user,
                transform(
                    roundDown(toUnixTimestamp64Milli(occurred_at), {day_starts:Array(Int64)}),
                    {day_starts:Array(Int64)},
                    {day_numbers:Array(UInt16)},
                    toUInt16(0)
                ) AS day
            FROM
            (
                {{source}}
            )
            GROUP BY
                user,
                day
            HAVING count() >= {min_count:UInt32}
        )
        GROUP BY user
    )
)
