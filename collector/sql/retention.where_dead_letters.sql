-- retention.where_dead_letters: refused events that came too long ago.  Caller: collector/retention.py expire()
-- Params: app_id String; before_ms Int64 (epoch ms)
-- Rows:   a condition over dead_letters
-- Source: their own time may be what was wrong with them.
app_id = {app_id:String}
AND received_at < fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')
