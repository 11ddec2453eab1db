-- distribution.of_users_by_actor: as distribution.of_users, from what actors add.  Caller: query_api/distribution.py _values()
-- Params: those of distribution.values; fragments value (an aggregate over unit_ms and measured), actors (by_actor.py, of
--         distribution.of_actors and per_user.first_of_actor), first_key (of a user)
-- Rows:   those of distribution.of_users; extra_sum is 0
-- Source: for values that are numbers of events, days or hours.
SELECT
    user,
    bucket_ms,
    toFloat64({{value}}) AS value,
    sum(extra) AS extra_events,
    toFloat64(0) AS extra_sum,
    {{first_key}} AS key
FROM
(
    {{actors}}
)
GROUP BY
    user,
    bucket_ms
HAVING sum(measured) > 0
