-- segments.users: the users of a snapshot.  Caller: query_api/segments.py Segments._snapshot()
-- Params: project, segment_id String; snapshot_id UInt64; fragment persons (source.map_latest)
-- Rows:   user UInt64, each once
-- Source: a person that has become part of another since is followed through identity_map.
SELECT DISTINCT if(m.person != 0, m.person, s.user) AS user
FROM
(
    SELECT user
    FROM segment_users FINAL
    WHERE project = {project:String}
        AND segment_id = {segment_id:String}
        AND snapshot_id = {snapshot_id:UInt64}
) AS s
ANY LEFT JOIN
(
    {{persons}}
) AS m ON s.user = m.id_key
