-- attributes.visits: what follows from all events of every person.  Caller: query_api/attributes.py joined()
-- Params: fragments parts (source.by_actor, with aggregates of the visits of an actor), columns (aggregates over its columns)
-- Rows:   user UInt64, and the columns
-- Source: the first of a person is the first of the person's actors.
SELECT
    user,
    {{columns}}
FROM
(
    {{parts}}
) AS part
GROUP BY user
