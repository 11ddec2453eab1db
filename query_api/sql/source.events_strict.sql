-- source.events_strict: events with their person, identity "strict".  Caller: query_api/source.py events()
-- Params: those of source.alone; fragments rows (a SELECT over source.alone, with actor and occurred_at), persons (source.map_*)
-- Rows:   the columns of rows and user UInt64; columns that nobody reads are not read from disk
-- Source: the person from the last binding at or before the event on; before the first, the id by itself.
SELECT
    e.*,
    if(
        notEmpty(m.strict_from) AND m.strict_from[1] <= toUnixTimestamp64Milli(e.occurred_at),
        m.strict_person[arrayLastIndex(bound_ms -> bound_ms <= toUnixTimestamp64Milli(e.occurred_at), m.strict_from)],
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
