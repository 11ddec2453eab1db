-- duckdb.count_by_day: one number a day.  Caller: loadtest/duck.py
-- Params: $names, one event; $from_ms, $to_ms
-- Rows:   one per day: day, value
-- Source: days of the zone as numbers (UTC+8 without changes of the clock)
SELECT (at_ms + 28800000) // 86400000 AS day, count(*) AS value
FROM events
WHERE event = $names[1] AND at_ms >= $from_ms AND at_ms < $to_ms
GROUP BY ALL
ORDER BY ALL
