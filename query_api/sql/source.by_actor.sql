-- source.by_actor: events added up by actor, with the person of each, identity "latest".  Caller: query_api/source.py by_actor()
-- Params: those of source.alone; fragments keys (names of columns, each with a comma before it), columns (expressions of the keys, and
--         aggregates), events (source.alone), persons (source.map_*)
-- Rows:   actor and user UInt64, the columns; each actor once for every value of the keys, so a user may have several rows
-- Source: shards add up their own events, and what leaves them are the sums. The setting is that of source.GROUPED_ON_SHARDS.
SELECT
    e.*,
    if(m.person != 0, m.person, e.actor) AS user
FROM
(
    SELECT
        actor,
        {{columns}}
    {{events}}
    GROUP BY
        actor{{keys}}
    SETTINGS optimize_const_name_size = -1
) AS e
ANY LEFT JOIN
(
    {{persons}}
) AS m ON e.actor = m.id_key
