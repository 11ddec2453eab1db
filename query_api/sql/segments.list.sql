-- segments.list: the segments of a project.  Caller: query_api/segments.py Segments.all()
-- Params: project String
-- Rows:   what POST /v1/segments stored; oldest first
-- Source: the newest version of each counts; a deleted one is gone.
SELECT
    segment_id,
    name,
    rule,
    app_ids,
    timezone,
    toUnixTimestamp64Milli(created_at) AS created_ms,
    created_by,
    toString(refresh) AS refresh
FROM segments FINAL
WHERE project = {project:String}
    AND is_deleted = 0
ORDER BY
    created_ms,
    segment_id
