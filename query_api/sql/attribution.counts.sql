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
    {{exact_sum(first)}} AS first_conversions,
    {{exact_sum(first * amount)}} AS first_value,
    {{exact_sum(last)}} AS last_conversions,
    {{exact_sum(last * amount)}} AS last_value,
    {{exact_sum(linear)}} AS linear_conversions,
    {{exact_sum(linear * amount)}} AS linear_value,
    {{exact_sum(position)}} AS position_conversions,
    {{exact_sum(position * amount)}} AS position_value,
    {{exact_sum(time_decay)}} AS time_decay_conversions,
    {{exact_sum(time_decay * amount)}} AS time_decay_value
FROM
(
    {{credits}}
)
GROUP BY GROUPING SETS
(
    (touch, key),
    ()
)
