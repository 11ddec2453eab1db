-- attribution.counts: what each row gets.  Caller: query_api/attribution.py _counted()
-- Params: fragments shown (attribution.of_keys, with per_user.shown), is_other (a condition on touch and key), models (the numbers of the models asked for)
-- Rows:   touch UInt8, key String, total UInt8 (1: all rows together), users, targets UInt64 (with such a touch), undecided Bool
--         (attribution.chains: then the numbers do not hold), and for each model <model>_conversions, <model>_value Float64,
--         <model>_credited UInt64
SELECT
    touch,
    key,
    grouping(touch) AS total,
    uniqExactMerge(all_users) AS users,
    multiIf(total = 1, sum(begun), {{is_other}}, uniqExactMergeIf(targets_in_other, {{is_other}}), sum(of_key.targets)) AS targets,
    max(of_key.undecided) AS undecided,
    {{models}}
FROM
(
    {{shown}}
) AS of_key
GROUP BY GROUPING SETS
(
    (touch, key),
    ()
)
SETTINGS enable_materialized_cte = 1
