-- people.actors_then: ids that were of some persons at an instant.  Caller: query_api/people.py events_of()
-- Params: persons Array(UInt64); tables changed_since, changed_history (as_of.py)
-- Rows:   id_key UInt64
-- Source: the part of people.actors that only holds with as_of.
UNION ALL
SELECT id_key
FROM changed_since
WHERE person IN {persons:Array(UInt64)}
UNION ALL
SELECT id_key
FROM changed_history
WHERE person IN {persons:Array(UInt64)}
