-- identity_cost.insert_persons: persons of three ids each, bound.  Caller: loadtest/identity_cost.py
-- Params: project String; app_id String; persons UInt64
-- Rows:   none
-- Source: id_key is xxh3_64 of project, kind, app, id, as in collector/sql/0003_identity.sql
INSERT INTO identity_map (id_key, person, version)
SELECT
    arrayJoin([
        xxh3(concat({project:String}, '\x1fanonymous_id\x1f', {app_id:String}, '\x1fa', toString(number))),
        xxh3(concat({project:String}, '\x1fopenid\x1f', {app_id:String}, '\x1fo', toString(number))),
        xxh3(concat({project:String}, '\x1fuser_id\x1f\x1fu', toString(number)))
    ]),
    xxh3(concat({project:String}, '\x1fuser_id\x1f\x1fu', toString(number))),
    1
FROM numbers({persons:UInt64})
