-- identity_cost.users_in_one_group: the same, with the person of an actor as one more row of it in place of a join.
-- Caller: loadtest/identity_cost.py
-- Params: fragment events (identity_cost.events)
-- Rows:   user UInt64, numbers Array(UInt128)
-- Source: one table by hash less; every bound id is a group, whether it has events or not
SELECT
    user,
    groupArrayArray(of_actor) AS numbers
FROM
(
    SELECT
        if(max(person) != 0, max(person), actor) AS user,
        groupArrayIf(number, person = 0) AS of_actor
    FROM
    (
        SELECT
            actor,
            toUInt128(toUnixTimestamp64Milli(occurred_at)) AS number,
            toUInt64(0) AS person
        {{events}}
        UNION ALL
        SELECT
            id_key,
            0,
            person
        FROM identity_map FINAL
        WHERE person != id_key
    )
    GROUP BY actor
    HAVING notEmpty(of_actor)
)
GROUP BY user
