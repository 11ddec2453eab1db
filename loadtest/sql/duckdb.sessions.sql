-- duckdb.sessions: sessions a day with duration, depth and bounces.  Caller: loadtest/duck.py
-- Params: $from_ms, $to_ms
-- Rows:   one per day: day, sessions, users, bounces, duration_ms (median), depth (median)
-- Source: by the session's id alone: no cut at 12 hours, none after 30 minutes of silence, no pages
SELECT
    (begun_ms + 28800000) // 86400000 AS day,
    count(*) AS sessions,
    count(DISTINCT person) AS users,
    count(*) FILTER (views <= 1) AS bounces,
    median(ended_ms - begun_ms) AS duration_ms,
    median(views) AS depth
FROM
(
    SELECT
        person,
        session_id,
        min(at_ms) AS begun_ms,
        max(at_ms) AS ended_ms,
        count(*) FILTER (event = 'page_view') AS views
    FROM events
    GROUP BY person, session_id
)
WHERE begun_ms >= $from_ms AND begun_ms < $to_ms
GROUP BY ALL
ORDER BY ALL
