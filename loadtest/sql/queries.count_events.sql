-- queries.count_events: how much of the synthetic log is there, and in how many parts.  Caller: loadtest/queries.py, compare.py
-- Params: app_id String
-- Rows:   one: events UInt64 (of the synthetic log), and of the whole table parts, rows and bytes (compressed) UInt64
-- Source: ids of the synthetic log begin with q; system.parts
SELECT
    (SELECT count() FROM events WHERE app_id = {app_id:String} AND startsWith(event_id, 'q')) AS events,
    count() AS parts,
    sum(rows) AS rows,
    sum(data_compressed_bytes) AS bytes
FROM system.parts
WHERE database = currentDatabase() AND table = 'events' AND active
LIMIT 1
