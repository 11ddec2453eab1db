-- dead_letters.list: refused events, newest first.  Caller: query_api/dead_letters.py listed()
-- Params: app_ids Array(String); code String, '' is any; since_ms, until_ms Int64 (arrival, end excluded); with_redriven Bool; limit, offset UInt32
-- Rows:   one per refused event, without raw and envelope
-- Source: dead_letters
SELECT
    app_id,
    toUnixTimestamp64Milli(received_at) AS received_ms,
    request_id,
    event_index,
    event_id,
    code,
    path,
    message,
    toUnixTimestamp64Milli(redriven_at) AS redriven_ms
FROM dead_letters FINAL
WHERE app_id IN {app_ids:Array(String)}
    AND (code = {code:String} OR {code:String} = '')
    AND received_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
    AND toUnixTimestamp64Milli(received_at) < {until_ms:Int64}
    AND ({with_redriven:Bool} OR redriven_at = toDateTime64(0, 3, 'UTC'))
ORDER BY
    received_at DESC,
    request_id,
    event_index
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
