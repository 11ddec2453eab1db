-- source.any: whether there are events of a kind.  Caller: query_api/report.py Ask.has_any()
-- Params: app_ids Array(String); any_from_ms, any_to_ms Int64 (epoch ms, end exclusive); fragment where (a condition on columns of events)
-- Rows:   one, or none: found UInt8
-- Source: nothing is merged and nobody joined: a copy that FINAL drops is found as well, and then nothing but time is lost.
SELECT toUInt8(1) AS found
FROM events
WHERE app_id IN {app_ids:Array(String)}
    AND occurred_at >= fromUnixTimestamp64Milli({any_from_ms:Int64}, 'UTC')
    AND occurred_at < fromUnixTimestamp64Milli({any_to_ms:Int64}, 'UTC')
    AND ({{where}})
LIMIT 1
