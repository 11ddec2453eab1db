-- source.events_latest: events with their person, identity "latest".  Caller: query_api/source.py events()
-- Params: those of source.alone; fragments computed (more columns), events (source.alone), persons (source.map_*)
-- Rows:   all columns of events, the computed ones and user UInt64; columns that nobody reads are not read from disk
-- Source: duplicates collapse under FINAL. ids absent in identity_map are persons by themselves.
SELECT
    e.*,
    if(m.person != 0, m.person, e.actor) AS user
FROM
(
    SELECT *{{computed}}
    {{events}}
) AS e
ANY LEFT JOIN
(
    {{persons}}
) AS m ON e.actor = m.id_key
