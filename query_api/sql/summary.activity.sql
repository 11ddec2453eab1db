-- summary.activity: users, page views, new users and sessions of each period.  Caller: query_api/summary.py _numbers()
-- Params: starts Array(Int64) (epoch ms of the periods), end_ms Int64 (of the last one); fragments parts (user and the columns of summary.part, of
--         events of the periods and a day before and after them; a session and period may have several rows), before (of active events
--         before that: user, active_ms Int64)
-- Rows:   kind UInt8: 1 users and page_views, 2 new_users, 3 sessions; start_ms Int64, users, page_views, new_users, sessions UInt64,
--         average_stay_ms, median_stay_ms Float64, silent UInt8 (of any: there are events without a session_id, and summary.sessions
--         counts the sessions)
-- Source: events are read once, and what is kept of them is a row for each session, period and actor. The stay is the time from a session's
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
        start_ms,
        uniqExactIf(user, was_active) AS users,
        sum(page_views) AS page_views,
        toUInt64(0) AS new_users,
        toUInt64(0) AS sessions,
        toFloat64(0) AS average_stay_ms,
        toFloat64(0) AS median_stay_ms,
        toUInt8(0) AS silent
    FROM parts
    WHERE start_ms != -1
    GROUP BY start_ms
    UNION ALL
    SELECT
        toUInt8(2),
        roundDown(first_ms, {starts:Array(Int64)}) AS of_period,
        toUInt64(0),
        toUInt64(0),
        count(),
        toUInt64(0),
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
            WHERE was_active
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
        toUInt8(3),
        roundDown(first_ms, {starts:Array(Int64)}) AS of_period,
        toUInt64(0),
        toUInt64(0),
        toUInt64(0),
        count(),
        avg(last_ms - first_ms),
        quantileExactInclusive(0.5)(last_ms - first_ms),
        max(any_silent)
    FROM
    (
        SELECT
            min(parts.first_ms) AS first_ms,
            max(parts.last_ms) AS last_ms,
            max(parts.has_silent) AS any_silent
        FROM parts
        GROUP BY
            user,
            session
        HAVING any_silent
            OR (first_ms >= {starts:Array(Int64)}[1] AND first_ms < {end_ms:Int64})
    )
    GROUP BY of_period
)
SETTINGS enable_materialized_cte = 1
