-- segments.snapshots: the snapshots of a segment.  Caller: query_api/segments.py Segments.snapshots()
-- Params: project, segment_id String
-- Rows:   date Date, users UInt64, snapshot_id UInt64 (epoch ms); the newest of each date
-- Source: a row is written after its users, so a snapshot that broke off is none.
SELECT
    date,
    users,
    snapshot_id
FROM segment_snapshots FINAL
WHERE project = {project:String}
    AND segment_id = {segment_id:String}
ORDER BY date
