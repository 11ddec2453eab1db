-- qr_codes.found: how many of some codes there are.  Caller: query_api/qr_codes.py delete()
-- Params: project String; app_ids, code_ids Array(String)
-- Rows:   codes UInt64
SELECT count() AS codes
FROM qr_codes FINAL
WHERE project = {project:String}
    AND app_id IN {app_ids:Array(String)}
    AND code_id IN {code_ids:Array(String)}
    AND is_deleted = 0
