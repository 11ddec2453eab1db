-- compare.count_since: events of a run that a query can see.  Caller: loadtest/compare.py
-- Params: app_id String; run String; from_ms Int64, epoch ms before the run began
-- Rows:   one: events UInt64
-- Source: no FINAL: a run without repeats has no copies
SELECT count() AS events
FROM events
WHERE app_id = {app_id:String}
  AND client_occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND startsWith(event_id, concat({run:String}, '-'))
LIMIT 1
