-- dead_letters.one: one refused event with its text.  Caller: query_api/dead_letters.py _get()
-- Params: app_ids Array(String); request_id String; event_index UInt32
-- Rows:   none or one, all columns, times as epoch ms
-- Source: dead_letters
SELECT
    project,
    app_id,
    toUnixTimestamp64Milli(received_at) AS received_ms,
    request_id,
    event_index,
    event_id,
    code,
    path,
    message,
    raw,
    envelope,
    toUnixTimestamp64Milli(redriven_at) AS redriven_ms,
    version
FROM dead_letters FINAL
WHERE app_id IN {app_ids:Array(String)}
    AND request_id = {request_id:String}
    AND event_index = {event_index:UInt32}
LIMIT 1
