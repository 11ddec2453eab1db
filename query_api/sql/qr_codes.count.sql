-- qr_codes.count: how many codes there are.  Caller: query_api/qr_codes.py store()
-- Params: project String; app_ids Array(String)
-- Rows:   codes UInt64
SELECT count() AS codes
FROM qr_codes FINAL
WHERE project = {project:String}
    AND app_id IN {app_ids:Array(String)}
    AND is_deleted = 0
