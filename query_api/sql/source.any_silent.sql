-- source.any_silent: whether an event without session_id is there.  Caller: query_api/report.py Ask.has_silent()
-- Params: app_ids Array(String); from_ms, to_ms Int64 (epoch ms, end exclusive); fragment where (a condition)
-- Rows:   one, or none: found UInt8
-- Source: one column is read and nothing merged: a copy that FINAL drops is found as well, and then nothing but time is lost.
SELECT toUInt8(1) AS found
FROM events
WHERE app_id IN {app_ids:Array(String)}
    AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    AND session_id = ''
    AND {{where}}
LIMIT 1
