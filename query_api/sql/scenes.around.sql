-- scenes.around: whether an event lies in the time in which sessions are followed.  Caller: query_api/scenes.py _parts()
-- Params: around_from_ms, around_to_ms Int64 (epoch ms, end exclusive)
-- Rows:   a condition on columns of events
-- Source: the range and a day before and after it.
occurred_at >= fromUnixTimestamp64Milli({around_from_ms:Int64}, 'UTC')
AND occurred_at < fromUnixTimestamp64Milli({around_to_ms:Int64}, 'UTC')
