-- console.live_refused: the events that were refused last.  Caller: query_api/console/arrivals.py live()
-- Params: app_ids Array(String), since_ms Int64 (arrival), max_rows UInt32
-- Rows:   one per refused event, newest first; `raw` is cut after 2,000 characters
-- Source: dead_letters
SELECT
    app_id,
    event_id,
    toUnixTimestamp64Milli(received_at) AS received_ms,
    code,
    path,
    message,
    leftUTF8(raw, 2000) AS raw
FROM dead_letters FINAL
WHERE app_id IN {app_ids:Array(String)}
    AND received_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
ORDER BY
    received_at DESC,
    request_id,
    event_index
LIMIT {max_rows:UInt32}
