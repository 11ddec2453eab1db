-- duckdb.sum_by_city: revenue a day and city.  Caller: loadtest/duck.py
-- Params: $names, one event; $from_ms, $to_ms
-- Rows:   one per day and city: day, city, value
-- Source: days of the zone as numbers (UTC+8 without changes of the clock)
SELECT (at_ms + 28800000) // 86400000 AS day, city, sum(price) AS value
FROM events
WHERE event = $names[1] AND at_ms >= $from_ms AND at_ms < $to_ms
GROUP BY ALL
ORDER BY ALL
