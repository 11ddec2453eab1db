-- retention.ids_without_events: what an app need not know any longer.  Caller: collector/retention.py _condition()
-- Params: app_id String; before_ms Int64 (epoch ms)
-- Rows:   id_key UInt64
-- Source: openids and anonymous_ids of the app whose last event is gone; app_id is empty for ids of the project.
SELECT id_key
FROM identity_bindings
WHERE app_id = {app_id:String}
    AND occurred_at < fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')
    AND id NOT IN
    (
        SELECT openid
        FROM events
        WHERE app_id = {app_id:String}
        UNION DISTINCT
        SELECT anonymous_id
        FROM events
        WHERE app_id = {app_id:String}
    )
