-- duckdb.retention_first: days of return after a user's first day.  Caller: loadtest/duck.py
-- Params: $names, one event; $from_ms, $to_ms
-- Rows:   one per first day and day after it: cohort, day, users
-- Source: days of the zone as numbers (UTC+8 without changes of the clock)
WITH
    days AS (SELECT DISTINCT person, (at_ms + 28800000) // 86400000 AS day FROM events WHERE event = $names[1] AND at_ms < $to_ms),
    firsts AS (SELECT person, min(day) AS cohort FROM days GROUP BY person)
SELECT cohort, day - cohort AS day, count(*) AS users
FROM days JOIN firsts USING (person)
WHERE day - cohort <= 7 AND cohort >= ($from_ms + 28800000) // 86400000
GROUP BY ALL
ORDER BY ALL
