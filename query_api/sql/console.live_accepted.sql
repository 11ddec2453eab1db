-- console.live_accepted: the events that arrived last.  Caller: query_api/console/arrivals.py live()
-- Params: app_ids Array(String), since_ms Int64 (arrival), occurred_since_ms Int64, max_rows UInt32
-- Rows:   one per event, newest arrival first; times in epoch ms, properties as JSON texts by type
-- Source: asked every second, so the newest are found by their keys, and the wide columns are read of these alone. No FINAL:
--         of a few copies LIMIT BY keeps the one that arrived last.
SELECT
    app_id,
    platform,
    event,
    event_id,
    toUnixTimestamp64Milli(received_at) AS received_ms,
    toUnixTimestamp64Milli(occurred_at) AS occurred_ms,
    clock,
    scene,
    page,
    multiIf(user_id != '', user_id, unionid != '', unionid, openid != '', openid, anonymous_id) AS id,
    toJSONString(properties_text) AS texts,
    toJSONString(properties_number) AS numbers,
    toJSONString(properties_flag) AS flags,
    toJSONString(properties_list) AS lists
FROM events
WHERE (app_id, event, client_occurred_at, event_key) GLOBAL IN
(
    SELECT
        app_id,
        event,
        client_occurred_at,
        event_key
    FROM events
    WHERE app_id IN {app_ids:Array(String)}
        AND occurred_at >= fromUnixTimestamp64Milli({occurred_since_ms:Int64}, 'UTC')
        AND received_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
    ORDER BY
        received_at DESC,
        seq DESC,
        event_id
    LIMIT 1 BY event_key
    LIMIT {max_rows:UInt32}
)
    AND occurred_at >= fromUnixTimestamp64Milli({occurred_since_ms:Int64}, 'UTC')
    AND received_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
ORDER BY
    received_at DESC,
    seq DESC,
    event_id
LIMIT 1 BY event_key
LIMIT {max_rows:UInt32}
