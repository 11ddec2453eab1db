-- duckdb.funnel: users of three steps in order within a day of the first.  Caller: loadtest/duck.py
-- Params: $names, three events; $from_ms, $to_ms
-- Rows:   one per step reached: step, users
-- Source: for every first event the next second one, after that the next third one; ties of a millisecond do not arise here
WITH
    one AS (SELECT person, at_ms FROM events WHERE event = $names[1] AND at_ms >= $from_ms AND at_ms < $to_ms),
    two AS (SELECT person, at_ms FROM events WHERE event = $names[2]),
    three AS (SELECT person, at_ms FROM events WHERE event = $names[3]),
    second_step AS
    (
        SELECT one.person, one.at_ms AS begun_ms, two.at_ms
        FROM one ASOF JOIN two ON one.person = two.person AND one.at_ms < two.at_ms
        WHERE two.at_ms - one.at_ms <= 86400000
    ),
    third_step AS
    (
        SELECT s.person
        FROM second_step AS s ASOF JOIN three ON s.person = three.person AND s.at_ms < three.at_ms
        WHERE three.at_ms - s.begun_ms <= 86400000
    )
SELECT 1 AS step, count(DISTINCT person) AS users FROM one
UNION ALL SELECT 2, count(DISTINCT person) FROM second_step
UNION ALL SELECT 3, count(DISTINCT person) FROM third_step
ORDER BY step
