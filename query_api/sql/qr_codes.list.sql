-- qr_codes.list: the registry, as project_tables.page shows it.  Caller: query_api/qr_codes.py stored()
-- Params: project String; app_ids Array(String)
-- Rows:   app_id, code_id, label, store, city, placement String; valid_from_ms, valid_to_ms Nullable(Int64)
-- Source: the newest version of each code counts; a deleted one is gone.
SELECT
    app_id,
    code_id,
    label,
    store,
    city,
    placement,
    toUnixTimestamp64Milli(valid_from) AS valid_from_ms,
    toUnixTimestamp64Milli(valid_to) AS valid_to_ms
FROM qr_codes FINAL
WHERE project = {project:String}
    AND app_id IN {app_ids:Array(String)}
    AND is_deleted = 0
