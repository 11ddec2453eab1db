-- source.map_strict_as_of: as source.map_strict, as it was at an instant.  Caller: query_api/source.py persons()
-- Params: tables changed_since (id_key, person), changed_history (id_key, place, from_ms, person)
-- Rows:   id_key UInt64; strict_from Array(Int64), strict_person Array(UInt64); each id once
-- Source: as_of.py
SELECT id_key, strict_from, strict_person
FROM identity_map FINAL
WHERE notEmpty(strict_from)
    AND id_key NOT IN (SELECT id_key FROM changed_since)
UNION ALL
SELECT
    id_key,
    arrayMap(step -> toInt64(step.2), steps) AS strict_from,
    arrayMap(step -> step.3, steps) AS strict_person
FROM
(
    SELECT id_key, arraySort(groupArray((place, from_ms, person))) AS steps
    FROM changed_history
    GROUP BY id_key
)
