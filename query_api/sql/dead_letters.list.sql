-- dead_letters.list: refused events, newest first.  Caller: query_api/dead_letters.py listed()
-- Params: those of dead_letters.wanted; limit, offset UInt32; fragment wanted
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
WHERE
    {{wanted}}
ORDER BY
    received_at DESC,
    request_id,
    event_index
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
