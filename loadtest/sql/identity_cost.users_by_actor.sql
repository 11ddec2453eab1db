-- identity_cost.users_by_actor: the events of each actor, then its person, then the person's events.  Caller: loadtest/identity_cost.py
-- Params: fragments person (of the actor e), persons (a join), events (identity_cost.events)
-- Rows:   user UInt64, numbers Array(UInt128)
-- Source: query_api/sql/by_actor.collected.sql
SELECT
    {{person}} AS user,
    groupArrayArray(e.of_actor) AS numbers
FROM
(
    SELECT
        actor,
        groupArray(toUInt128(toUnixTimestamp64Milli(occurred_at))) AS of_actor
    {{events}}
    GROUP BY actor
) AS e
{{persons}}
GROUP BY user
