-- attribution.counts: what each row gets.  Caller: query_api/attribution.py answer()
-- Params: fragment credits (attribution.credits)
-- Rows:   touch UInt8, key String, total UInt8 (1: all rows together), users, targets UInt64 (with such a touch), and for each model
--         <model>_conversions, <model>_value Float64
SELECT
    touch,
    key,
    grouping(touch) AS total,
    uniqExact(user) AS users,
    uniqExact((user, target)) AS targets,
    sum(first) AS first_conversions,
    sum(first * amount) AS first_value,
    sum(last) AS last_conversions,
    sum(last * amount) AS last_value,
    sum(linear) AS linear_conversions,
    sum(linear * amount) AS linear_value,
    sum(position) AS position_conversions,
    sum(position * amount) AS position_value,
    sum(time_decay) AS time_decay_conversions,
    sum(time_decay * amount) AS time_decay_value
FROM
(
    {{credits}}
)
GROUP BY GROUPING SETS
(
    (touch, key),
    ()
)
