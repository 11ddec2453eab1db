-- messages.delete: store that the rows of a campaign are gone.  Caller: query_api/messages.py delete()
-- Params: project, campaign String; app_ids Array(String); version UInt64 (epoch ms); token_id String
-- Rows:   none; one more version of each, without the person
INSERT INTO messages (project, app_id, message_id, campaign, imported_by, version, is_deleted)
SELECT
    project,
    app_id,
    message_id,
    campaign,
    {token_id:String},
    greatest(version + 1, {version:UInt64}),
    1
FROM messages FINAL
WHERE project = {project:String}
    AND app_id IN {app_ids:Array(String)}
    AND campaign = {campaign:String}
    AND is_deleted = 0
