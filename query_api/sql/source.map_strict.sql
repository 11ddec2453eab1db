-- source.map_strict: the persons of each bound id over time.  Caller: query_api/source.py persons()
-- Params: none
-- Rows:   id_key UInt64; strict_from Array(Int64), strict_person Array(UInt64); each id once
-- Source: identity_map; an absent id is a person by itself.
SELECT id_key, strict_from, strict_person
FROM identity_map FINAL
WHERE notEmpty(strict_from)
