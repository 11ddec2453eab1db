-- distribution.of_users_by_actor: as distribution.of_users, from what actors add.  Caller: query_api/distribution.py _values()
-- Params: those of distribution.values; fragments value (an aggregate over unit_ms, measured and sums in parts), extra_sum (over sums in parts),
--         actors (by_actor.py, of distribution.of_actors and per_user.first_of_actor), first_key (of a user)
-- Rows:   those of distribution.of_users
-- Source: numbers of events and sums in parts can be added up.
SELECT
    user,
    bucket_ms,
    toFloat64({{value}}) AS value,
    sum(extra) AS extra_events,
    {{extra_sum}} AS extra_sum,
    {{first_key}} AS key
FROM
(
    {{actors}}
)
GROUP BY
    user,
    bucket_ms
HAVING sum(measured) > 0
