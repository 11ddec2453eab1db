-- attribution.counts: what each row gets.  Caller: query_api/attribution.py answer()
-- Params: fragments credits (attribution.credits), models (the numbers of the models asked for)
-- Rows:   touch UInt8, key String, total UInt8 (1: all rows together), users, targets UInt64 (with such a touch), undecided Bool
--         (attribution.chains: then the numbers do not hold), and for each model <model>_conversions, <model>_value Float64, <model>_users UInt64
SELECT
    touch,
    key,
    grouping(touch) AS total,
    uniqExact(user) AS users,
    uniqExact((user, target)) AS targets,
    max(undecided) AS undecided,
    {{models}}
FROM
(
    {{credits}}
)
GROUP BY GROUPING SETS
(
    (touch, key),
    ()
)
