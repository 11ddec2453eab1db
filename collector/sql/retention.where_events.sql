-- retention.where_events: events that happened too long ago.  Caller: collector/retention.py expire()
-- Params: app_id String; before_ms Int64 (epoch ms)
-- Rows:   a condition over events
-- Source: by the corrected time, so that clocks do not decide what stays.
app_id = {app_id:String}
AND occurred_at < fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')
