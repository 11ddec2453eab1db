-- lifecycle.active_by_actor: as lifecycle.active, from sets of periods.  Caller: query_api/lifecycle.py _states()
-- Params: those of lifecycle.states; fragments numbers (of a set), sets (by_actor.py, with per_user.first_of_actor), first_key (of a user)
-- Rows:   those of lifecycle.active
-- Source: a user's set is that of all the user's actors.
SELECT
    user,
    groupUniqArrayArray({{numbers}}) AS numbers,
    {{first_key}} AS key
FROM
(
    {{sets}}
)
GROUP BY user
