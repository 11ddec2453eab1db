-- all_persons.stored: the persons of some ids as a node has them.  Caller: collector/all_persons.py
-- Params: table asked(key UInt64) beside the query
-- Rows:   id_key, person UInt64; strict_from Array(Int64); strict_person Array(UInt64); version UInt64
-- Source: identity_map; an absent id is a person by itself.
SELECT id_key, person, strict_from, strict_person, version
FROM identity_map FINAL
WHERE id_key IN (SELECT key FROM asked)
