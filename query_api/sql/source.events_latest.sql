-- source.events_latest: events with their person, identity "latest".  Caller: query_api/source.py events(), by_actor()
-- Params: those of source.alone; fragments rows (a SELECT over source.alone, with actor), persons (source.map_*)
-- Rows:   the columns of rows and user UInt64; columns that nobody reads are not read from disk
-- Source: duplicates collapse under FINAL. ids absent in identity_map are persons by themselves.
SELECT
    e.*,
    if(m.person != 0, m.person, e.actor) AS user
FROM
(
    {{rows}}
) AS e
ANY LEFT JOIN
(
    {{persons}}
) AS m ON e.actor = m.id_key
