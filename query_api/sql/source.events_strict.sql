-- source.events_strict: events with their person, identity "strict".  Caller: query_api/source.py events(), by_actor()
-- Params: those of source.alone; fragments rows (a SELECT over source.alone, with actor), at (the time of a row e, epoch ms), persons
--         (source.map_strict*)
-- Rows:   the columns of rows and user UInt64; columns that nobody reads are not read from disk
-- Source: the person from the last binding at or before the event on; before the first, the id by itself.
SELECT
    e.*,
    if(
        notEmpty(m.strict_from) AND m.strict_from[1] <= {{at}},
        m.strict_person[arrayLastIndex(bound_ms -> bound_ms <= {{at}}, m.strict_from)],
        e.actor
    ) AS user
FROM
(
    {{rows}}
) AS e
ANY LEFT JOIN
(
    {{persons}}
) AS m ON e.actor = m.id_key
