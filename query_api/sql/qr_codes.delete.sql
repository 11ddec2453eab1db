-- qr_codes.delete: store that codes are gone.  Caller: query_api/qr_codes.py delete()
-- Params: project String; app_ids, code_ids Array(String); version UInt64 (epoch ms); token_id String
-- Rows:   none; one more version of each
INSERT INTO qr_codes (project, app_id, code_id, updated_by, version, is_deleted)
SELECT
    project,
    app_id,
    code_id,
    {token_id:String},
    greatest(version + 1, {version:UInt64}),
    1
FROM qr_codes FINAL
WHERE project = {project:String}
    AND app_id IN {app_ids:Array(String)}
    AND code_id IN {code_ids:Array(String)}
    AND is_deleted = 0
