-- queries.insert_persons: joins the anonymous ids of queries.insert_events to their openids.  Caller: loadtest/queries.py
-- Params: project String; app_id String; users UInt64
-- Rows:   none
-- Source: id_key is xxh3_64 of project, kind, app, id, as in collector/sql/0003_identity.sql
INSERT INTO identity_map (id_key, person, version)
SELECT
    xxh3(concat({project:String}, '\x1fanonymous_id\x1f', {app_id:String}, '\x1fa', leftPad(toString(number * 5), 20, '0'))),
    xxh3(concat({project:String}, '\x1fopenid\x1f', {app_id:String}, '\x1fo', leftPad(toString(number * 5), 27, '0'))),
    1
FROM numbers(intDiv({users:UInt64} + 4, 5))
