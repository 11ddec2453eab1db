-- privacy.persons: the persons of some ids, if anything is stored of them.  Caller: collector/privacy.py find()
-- Params: keys Array(UInt64); project String
-- Rows:   person UInt64, each once
-- Source: an id without bindings is a person by itself. Who stands in refused events only is no person here (privacy.find).
SELECT DISTINCT if(m.person != 0, m.person, k.id_key) AS person
FROM
(
    SELECT id_key
    FROM identity_bindings
    WHERE id_key IN {keys:Array(UInt64)}
    UNION DISTINCT
    SELECT actor AS id_key
    FROM events
    WHERE actor IN {keys:Array(UInt64)}
        AND project = {project:String}
) AS k
ANY LEFT JOIN
(
    SELECT id_key, person
    FROM identity_map FINAL
    WHERE id_key IN {keys:Array(UInt64)}
) AS m ON k.id_key = m.id_key
