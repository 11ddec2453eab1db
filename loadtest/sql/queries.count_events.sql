-- queries.count_events: how much of the synthetic log is there, and in how many parts.  Caller: loadtest/queries.py
-- Params: app_id String
-- Rows:   one: events UInt64, parts UInt64, bytes UInt64 (compressed, the whole table)
-- Source: system.parts
SELECT
    (SELECT count() FROM events WHERE app_id = {app_id:String}) AS events,
    count() AS parts,
    sum(data_compressed_bytes) AS bytes
FROM system.parts
WHERE database = currentDatabase() AND table = 'events' AND active
LIMIT 1
