-- network.count_events: how many events a report is about, copies counted as they lie there.  Caller: loadtest/network.py
-- Params: app_id String; from_ms, to_ms Int64, epoch ms, the end exclusive; names Array(String)
-- Rows:   one: events UInt64
SELECT count() AS events
FROM events
WHERE app_id = {app_id:String}
  AND event IN {names:Array(String)}
  AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
LIMIT 1
