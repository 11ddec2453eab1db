-- stickiness.counts: users by number of active units, and active users of the last 1, 7 and 30 days.
--         Caller: query_api/stickiness.py _counted()
-- Params: those of stickiness.parts, active and rolling; fragments parts, shown (stickiness.of_keys, with per_user.shown), rolling (both
--         over the name parts)
-- Rows:   kind UInt8: 1 with bucket UInt16, key String (packed), units, users UInt64; 2 with day UInt16 (from 29), days UInt8, users;
--         numbers without users are absent
-- Source: events are read once.
SELECT *
FROM
(
    WITH parts AS MATERIALIZED
    (
        {{parts}}
    )
    SELECT
        toUInt8(1) AS kind,
        bucket,
        key,
        units,
        toUInt16(0) AS day,
        toUInt8(0) AS days,
        sum(of_key.users) AS users
    FROM
    (
        {{shown}}
    ) AS of_key
    GROUP BY
        bucket,
        key,
        units
    UNION ALL
    SELECT
        toUInt8(2),
        toUInt16(0),
        '',
        toUInt64(0),
        covered,
        days,
        sum(users_of_gap)
    FROM
    (
        SELECT
            users_of_gap,
            arrayJoin([toUInt8(1), toUInt8(7), toUInt8(30)]) AS days,
            arrayJoin(range(first_day, toUInt16(first_day + least(gap, days)))) AS covered
        FROM
        (
            SELECT
                day AS first_day,
                gap,
                count() AS users_of_gap
            FROM
            (
                {{rolling}}
            )
            GROUP BY
                first_day,
                gap
        )
    )
    WHERE covered >= 29
        AND covered < length({day_starts:Array(Int64)})
    GROUP BY
        covered,
        days
)
SETTINGS enable_materialized_cte = 1
