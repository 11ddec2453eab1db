-- people.actors: the condition that an event may belong to some persons.  Caller: query_api/people.py events_of()
-- Params: persons Array(UInt64); fragment then (people.actors_then, or nothing)
-- Rows:   an expression over actor; who an event counts for is decided after it
-- Source: an id is of a person by itself, by identity_map, or was so at some time (identity strict). actor has an index.
actor IN
(
    SELECT arrayJoin({persons:Array(UInt64)})
    UNION ALL
    SELECT id_key
    FROM identity_map FINAL
    WHERE person IN {persons:Array(UInt64)} OR hasAny(strict_person, {persons:Array(UInt64)})
    {{then}}
)
