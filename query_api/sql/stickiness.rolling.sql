-- stickiness.rolling: the days on which a user was active, and how long until the next.  Caller: query_api/stickiness.py _rolling_of()
-- Params: min_count UInt32; fragment parts (stickiness.parts, or a name of it, over 29 days before the first one asked for and those
--         asked for)
-- Rows:   user UInt64, day UInt16, gap UInt16 (days until the user's next active day, at most 30)
-- Source: a user is active in the 7 days that end with a day if a row begins there or up to 6 days before, and its gap reaches over the
--         day. Gaps do not overlap, so of a user's rows at most one reaches over a day, and counting rows counts users.
SELECT
    user,
    day_and_gap.1 AS day,
    toUInt16(least(30, day_and_gap.2)) AS gap
FROM
(
    SELECT
        user,
        arraySort(groupArray(day)) AS active_days,
        arrayJoin(arrayZip(active_days, arrayMap((day, next) -> next - day, active_days, arrayPushBack(arrayPopFront(active_days), toUInt16(65535))))) AS day_and_gap
    FROM
    (
        SELECT
            user,
            day
        FROM {{parts}}
        GROUP BY
            user,
            day
        HAVING sum(events) >= {min_count:UInt32}
    )
    GROUP BY user
)
