-- by_actor.collected: each user's events as arrays and other aggregates.  Caller: query_api/by_actor.py collected()
-- Params: fragments rows (events with their persons, or parts of them added up by actor), wanted (which rows matter), keys (names of columns,
--         each with a comma before it), columns (aggregates), having (which users matter; may name the columns)
-- Rows:   user UInt64, the keys and the columns; arrays are not sorted
-- Source: of parts where that is possible: a person is then looked up for each actor and not for each event, and each is a look
--         into memory (figures: DESIGN-identity.md).
SELECT
    user{{keys}},
    {{columns}}
FROM
(
    {{rows}}
) AS part
WHERE {{wanted}}
GROUP BY
    user{{keys}}
HAVING {{having}}
