-- rules.did_of_users: what the events of a user add up to.  Caller: query_api/rules.py Compiler._parts_of()
-- Params: fragments events (with attributes of their persons), where (which matter), columns (keys and aggregates), keys (names of columns,
--         each with a comma before it)
-- Rows:   user UInt64, the keys and the aggregates
-- Source: where attributes decide and are known only with the person; else source.by_actor.
SELECT
    user,
    {{columns}}
FROM
(
    {{events}}
)
WHERE {{where}}
GROUP BY
    user{{keys}}
