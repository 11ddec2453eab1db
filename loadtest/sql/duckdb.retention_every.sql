-- duckdb.retention_every: days of return after every day with the event.  Caller: loadtest/duck.py
-- Params: $names, one event; $from_ms, $to_ms
-- Rows:   one per day and day after it: cohort, day, users
-- Source: days of the zone as numbers (UTC+8 without changes of the clock)
WITH days AS (SELECT DISTINCT person, (at_ms + 28800000) // 86400000 AS day FROM events WHERE event = $names[1] AND at_ms >= $from_ms)
SELECT one.day AS cohort, other.day - one.day AS day, count(*) AS users
FROM days AS one JOIN days AS other ON one.person = other.person AND other.day BETWEEN one.day AND one.day + 7
WHERE one.day < ($to_ms + 28800000) // 86400000
GROUP BY ALL
ORDER BY ALL
