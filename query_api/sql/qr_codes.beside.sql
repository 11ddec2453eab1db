-- qr_codes.beside: the registry of codes beside events.  Caller: query_api/qr_codes.py beside_events()
-- Params: project String; app_ids Array(String); qr_code of qr_codes.columns
-- Rows:   a JOIN after FROM events: code_id, code_store, code_city, code_placement String; valid_from, valid_to Nullable(DateTime64(3))
-- Source: a code belongs to an app; the newest version of each counts. GLOBAL: shards of a cluster get the asked node's.
GLOBAL ANY LEFT JOIN
(
    SELECT
        app_id AS code_app_id,
        code_id,
        store AS code_store,
        city AS code_city,
        placement AS code_placement,
        valid_from,
        valid_to
    FROM qr_codes FINAL
    WHERE project = {project:String}
        AND app_id IN {app_ids:Array(String)}
        AND is_deleted = 0
) AS codes ON app_id = codes.code_app_id AND qr_code = codes.code_id
