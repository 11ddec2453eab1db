-- export.events: all columns of the events of an app in a time range, once each.  Caller: collector/export.py
-- Params: app_id String; from_ms, to_ms Int64 (epoch ms of occurred_at, end exclusive)
-- Rows:   those of events
-- Source: FINAL, so that copies count once. No order: a month must not be sorted in memory.
SELECT *
FROM events FINAL
WHERE app_id = {app_id:String}
    AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
