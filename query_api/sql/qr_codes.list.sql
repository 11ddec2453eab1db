-- qr_codes.list: a page of the registry.  Caller: query_api/qr_codes.py stored()
-- Params: project String; app_ids Array(String); limit, offset UInt64
-- Rows:   app_id, code_id, label, store, city, placement String; valid_from_ms, valid_to_ms Nullable(Int64); total UInt64 (of all pages)
-- Source: the newest version of each code counts; a deleted one is gone.
SELECT
    app_id,
    code_id,
    label,
    store,
    city,
    placement,
    toUnixTimestamp64Milli(valid_from) AS valid_from_ms,
    toUnixTimestamp64Milli(valid_to) AS valid_to_ms,
    count() OVER () AS total
FROM qr_codes FINAL
WHERE project = {project:String}
    AND app_id IN {app_ids:Array(String)}
    AND is_deleted = 0
ORDER BY
    app_id,
    code_id
LIMIT {limit:UInt64}
OFFSET {offset:UInt64}
