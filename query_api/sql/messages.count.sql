-- messages.count: how many rows a campaign has.  Caller: query_api/messages.py delete()
-- Params: project, campaign String; app_ids Array(String)
-- Rows:   rows UInt64
SELECT count() AS rows
FROM messages FINAL
WHERE project = {project:String}
    AND app_id IN {app_ids:Array(String)}
    AND campaign = {campaign:String}
    AND is_deleted = 0
