-- segments.take: store the users of a rule.  Caller: query_api/segments.py Segments.take_snapshot()
-- Params: project, segment_id String; snapshot_id UInt64; fragment users (a SELECT of user)
-- Rows:   none
-- Source: they count only once segment_snapshots names the snapshot.
INSERT INTO segment_users (project, segment_id, snapshot_id, user)
SELECT
    {project:String},
    {segment_id:String},
    {snapshot_id:UInt64},
    user
FROM
(
    {{users}}
)
