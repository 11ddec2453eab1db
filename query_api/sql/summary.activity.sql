-- summary.activity: every number of each period.  Caller: query_api/summary.py _numbers()
-- Params: starts Array(Int64) (epoch ms of the periods), end_ms Int64 (of the last one), no_period UInt16; fragments parts (user and the columns
--         of summary.part, of events of the periods and a day before and after them; a session and period may have several rows), before (of
--         active events before that: user, active_ms Int64)
-- Rows:   kind UInt8: 1 what is counted, 2 revenue, 3 new_users, 4 sessions; start_ms Int64, users, page_views, shares, sharers, orders,
--         payers, new_users, sessions UInt64, revenue, average_stay_ms, median_stay_ms Float64, silent UInt8 (of any: there are events
--         without a session_id, and summary.sessions counts the sessions)
-- Source: each event is read once, and what is kept is a row for each session, period and actor. The stay is the time from a session's
--         first to its last event.
SELECT *
FROM
(
    WITH parts AS MATERIALIZED
    (
        {{parts}}
    )
    SELECT
        toUInt8(1) AS kind,
        {starts:Array(Int64)}[1 + bitAnd(place, 0xFFFF)] AS start_ms,
        uniqExactIf(user, first_active_ms != 0) AS users,
        sum(parts.page_views) AS page_views,
        sum(parts.shares) AS shares,
        uniqExactIf(user, parts.shares > 0) AS sharers,
        sum(length(amounts)) AS orders,
        uniqExactIf(user, notEmpty(amounts)) AS payers,
        toUInt64(0) AS new_users,
        toUInt64(0) AS sessions,
        toFloat64(0) AS revenue,
        toFloat64(0) AS average_stay_ms,
        toFloat64(0) AS median_stay_ms,
        toUInt8(0) AS silent
    FROM parts
    WHERE bitAnd(place, 0xFFFF) != {no_period:UInt16}
    GROUP BY start_ms
    UNION ALL
    SELECT
        toUInt8(2),
        of_period,
        toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0),
        {{exact_sum(amount)}},
        toFloat64(0),
        toFloat64(0),
        toUInt8(0)
    FROM
    (
        SELECT
            {starts:Array(Int64)}[1 + bitAnd(place, 0xFFFF)] AS of_period,
            arrayJoin(amounts) AS amount
        FROM parts
        WHERE notEmpty(amounts)
            AND bitAnd(place, 0xFFFF) != {no_period:UInt16}
    )
    GROUP BY of_period
    UNION ALL
    SELECT
        toUInt8(3),
        roundDown(first_ms, {starts:Array(Int64)}) AS of_period,
        toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0),
        count(),
        toUInt64(0),
        toFloat64(0),
        toFloat64(0),
        toFloat64(0),
        toUInt8(0)
    FROM
    (
        SELECT
            user,
            min(active_ms) AS first_ms
        FROM
        (
            SELECT
                user,
                first_active_ms AS active_ms
            FROM parts
            WHERE first_active_ms != 0
            UNION ALL
            SELECT
                user,
                active_ms
            FROM
            (
                {{before}}
            )
        )
        GROUP BY user
        HAVING first_ms >= {starts:Array(Int64)}[1]
            AND first_ms < {end_ms:Int64}
    )
    GROUP BY of_period
    UNION ALL
    SELECT
        toUInt8(4),
        roundDown(first_ms, {starts:Array(Int64)}) AS of_period,
        toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0),
        count(),
        toFloat64(0),
        avg(last_ms - first_ms),
        quantileExactInclusive(0.5)(last_ms - first_ms),
        max(is_silent)
    FROM
    (
        SELECT
            min(parts.first_ms) AS first_ms,
            max(parts.last_ms) AS last_ms,
            bitTest(session, 16) AS is_silent
        FROM parts
        GROUP BY
            user,
            bitAnd(place, 0xFFFFFFFFFFFF0000) AS session
        HAVING is_silent
            OR (first_ms >= {starts:Array(Int64)}[1] AND first_ms < {end_ms:Int64})
    )
    GROUP BY of_period
)
SETTINGS enable_materialized_cte = 1
