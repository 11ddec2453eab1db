-- segment_export.ids: the id of a kind of each wanted person.  Caller: query_api/segment_export.py statement()
-- Params: channel, channel_app_id String; app_ids, placeholders Array(String); fragments persons (source.map_latest), own_id (of
--         an event, of the channel's kind)
-- Rows:   user UInt64, id String; of several (phones only) the one that was bound most lately
-- Source: a bound id stands in identity_bindings, each pair with its earliest event, so the latest of these is that of the phone
--         that came last. Another id is the actor of its events; "null", "0" and the like are nobody's.
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
        SELECT DISTINCT actor AS id_key, {{own_id}} AS id, toDateTime64(0, 3, 'UTC') AS bound_at
        FROM events
        WHERE app_id IN {app_ids:Array(String)}
            AND {channel_app_id:String} IN ('', app_id)
            AND id != ''
            AND lower(trimBoth(id)) NOT IN {placeholders:Array(String)}
            AND actor = xxh3(concat(project, '\x1f', {channel:String}, '\x1f', {channel_app_id:String}, '\x1f', id))
    ) AS i
    ANY LEFT JOIN
    (
        {{persons}}
    ) AS m ON i.id_key = m.id_key
)
WHERE user IN (SELECT user FROM wanted)
GROUP BY user
