-- scenes.key_names: the keys behind the numbers.  Caller: query_api/scenes.py _sessions()
-- Params: app_ids Array(String); from_ms, to_ms Int64 (epoch ms, end exclusive), as the source of the sessions; fragments key (packed),
--         number (order_keys.hashed)
-- Rows:   key String, number UInt64
-- Source: copies of events name no other keys that are counted, so nothing has to be merged.
SELECT
    {{key}} AS key,
    {{number}} AS number
FROM events
WHERE app_id IN {app_ids:Array(String)}
    AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    AND event IN ('app_launch', 'app_show')
GROUP BY
    key,
    number
