-- identity.known: which of the asked ids were ever seen.  Caller: query_api/identity.py
-- Params: keys Array(UInt64), app_ids Array(String); fragments known (a condition over received_at), persons (source.map_latest)
-- Rows:   id_key UInt64, person UInt64 (the id itself where identity_map has none)
-- Source: an id stands in a binding, or events belong to it alone.
SELECT
    k.id_key AS id_key,
    if(m.person != 0, m.person, k.id_key) AS person
FROM
(
    SELECT id_key
    FROM identity_bindings
    WHERE id_key IN {keys:Array(UInt64)}
        AND event_app_id IN {app_ids:Array(String)}
        AND {{known}}
    UNION DISTINCT
    SELECT actor AS id_key
    FROM events
    WHERE actor IN {keys:Array(UInt64)}
        AND app_id IN {app_ids:Array(String)}
        AND {{known}}
) AS k
ANY LEFT JOIN
(
    SELECT id_key, person
    FROM
    (
        {{persons}}
    )
    WHERE id_key IN {keys:Array(UInt64)}
) AS m ON k.id_key = m.id_key
ORDER BY id_key
