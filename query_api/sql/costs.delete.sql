-- costs.delete: store that the rows of some days are gone.  Caller: query_api/costs.py delete()
-- Params: project String; app_ids Array(String); from_day, to_day Date (both included); version UInt64 (epoch ms); token_id String
-- Rows:   none; one more version of each
INSERT INTO costs (project, app_id, day, key_fields, key_values, imported_by, version, is_deleted)
SELECT
    project,
    app_id,
    day,
    key_fields,
    key_values,
    {token_id:String},
    greatest(version + 1, {version:UInt64}),
    1
FROM costs FINAL
WHERE project = {project:String}
    AND app_id IN {app_ids:Array(String)}
    AND day >= {from_day:Date}
    AND day <= {to_day:Date}
    AND is_deleted = 0
