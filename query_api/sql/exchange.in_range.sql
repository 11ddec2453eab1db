-- exchange.in_range: whether an event lies in the range.  Caller: query_api/exchange.py _events()
-- Params: range_from_ms, range_to_ms Int64 (epoch ms, end exclusive)
-- Rows:   a condition over the columns of events
-- Source: entries before it are read as well: who came before is not new.
occurred_at >= fromUnixTimestamp64Milli({range_from_ms:Int64}, 'UTC')
AND occurred_at < fromUnixTimestamp64Milli({range_to_ms:Int64}, 'UTC')
