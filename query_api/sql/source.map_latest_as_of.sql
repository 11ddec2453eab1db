-- source.map_latest_as_of: as source.map_latest, as it was at an instant.  Caller: query_api/source.py persons()
-- Params: table changed_since (id_key, person)
-- Rows:   id_key, person UInt64, each id once
-- Source: as_of.py
SELECT id_key, person
FROM identity_map FINAL
WHERE person != id_key
    AND id_key NOT IN (SELECT id_key FROM changed_since)
UNION ALL
SELECT id_key, person
FROM changed_since
