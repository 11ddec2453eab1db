-- source.map_latest: the person of each bound id, for all of history.  Caller: query_api/source.py persons()
-- Params: none
-- Rows:   id_key, person UInt64, each id once; an absent id is a person by itself
-- Source: a person's strongest id needs no row: a third less to join (figures: DESIGN-identity.md).
SELECT id_key, person
FROM identity_map FINAL
WHERE person != id_key
