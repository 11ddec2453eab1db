-- lifecycle.counts: users of every state in every period, by the keys shown.  Caller: query_api/lifecycle.py _counted()
-- Params: those of lifecycle.states; fragment shown (lifecycle.of_keys, with per_user.shown)
-- Rows:   those of lifecycle.of_keys
-- Source: a user stands under one key, so "other" is a sum.
SELECT
    period,
    state,
    key,
    sum(of_key.users) AS users
FROM
(
    {{shown}}
) AS of_key
GROUP BY
    period,
    state,
    key
SETTINGS enable_materialized_cte = 1
