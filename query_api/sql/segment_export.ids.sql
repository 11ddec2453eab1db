-- segment_export.ids: the id of a kind of each wanted person.  Caller: query_api/segment_export.py statement()
-- Params: channel, channel_app_id String; app_ids Array(String); fragment persons (source.map_latest)
-- Rows:   user UInt64, id String; of several (phones only) the one that was bound most lately
-- Source: a bound id stands in identity_bindings, another one is the actor of its events. Each pair stands there with its
--         earliest event, so the latest of these is that of the phone that came last.
SELECT user, argMax(id, (bound_at, id)) AS id
FROM
(
    SELECT
        if(m.person != 0, m.person, i.id_key) AS user,
        i.id AS id,
        i.bound_at AS bound_at
    FROM
    (
        SELECT id_key, id, min(occurred_at) AS bound_at
        FROM identity_bindings
        WHERE kind = {channel:String}
            AND app_id = {channel_app_id:String}
            AND event_app_id IN {app_ids:Array(String)}
        GROUP BY id_key, id
        UNION ALL
        SELECT DISTINCT actor AS id_key, openid AS id, toDateTime64(0, 3, 'UTC') AS bound_at
        FROM events
        WHERE {channel:String} = 'openid'
            AND app_id = {channel_app_id:String}
            AND openid != '' AND unionid = '' AND user_id = ''
        UNION ALL
        SELECT DISTINCT actor AS id_key, unionid AS id, toDateTime64(0, 3, 'UTC') AS bound_at
        FROM events
        WHERE {channel:String} = 'unionid'
            AND app_id IN {app_ids:Array(String)}
            AND unionid != '' AND user_id = ''
        UNION ALL
        SELECT DISTINCT actor AS id_key, user_id AS id, toDateTime64(0, 3, 'UTC') AS bound_at
        FROM events
        WHERE {channel:String} = 'user_id'
            AND app_id IN {app_ids:Array(String)}
            AND user_id != ''
    ) AS i
    ANY LEFT JOIN
    (
        {{persons}}
    ) AS m ON i.id_key = m.id_key
)
WHERE user IN (SELECT user FROM wanted)
GROUP BY user
