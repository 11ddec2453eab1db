-- summary.sessions: sessions by the period of their first event.  Caller: query_api/summary.py _silent_sessions()
-- Params: starts Array(Int64) (epoch ms of the periods), end_ms Int64; fragment source (source.sessions over the periods and a day
--         before and after them)
-- Rows:   start_ms Int64, sessions UInt64, average_stay_ms, median_stay_ms Float64
-- Source: the stay is the time from the session's first to its last event.
SELECT
    roundDown(first_ms, {starts:Array(Int64)}) AS start_ms,
    count() AS sessions,
    avg(last_ms - first_ms) AS average_stay_ms,
    quantileExactInclusive(0.5)(last_ms - first_ms) AS median_stay_ms
FROM
(
    SELECT
        min(toUnixTimestamp64Milli(occurred_at)) AS first_ms,
        max(toUnixTimestamp64Milli(occurred_at)) AS last_ms
    FROM
    (
        {{source}}
    )
    GROUP BY
        user,
        app_id,
        session_id,
        silent_session_ms
    HAVING first_ms >= {starts:Array(Int64)}[1]
        AND first_ms < {end_ms:Int64}
)
GROUP BY start_ms
