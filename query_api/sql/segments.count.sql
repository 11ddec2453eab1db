-- segments.count: how many users a snapshot has.  Caller: query_api/segments.py Segments.take_snapshot()
-- Params: project, segment_id String; snapshot_id UInt64
-- Rows:   users UInt64
-- Source: segment_users, each user once.
SELECT uniqExact(user) AS users
FROM segment_users
WHERE project = {project:String}
    AND segment_id = {segment_id:String}
    AND snapshot_id = {snapshot_id:UInt64}
