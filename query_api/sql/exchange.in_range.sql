-- exchange.in_range: whether an event lies in the range.  Caller: query_api/exchange.py _added()
-- Params: range_from_ms, range_to_ms Int64 (epoch ms, end exclusive)
-- Rows:   a condition on columns of events
-- Source: entries are read from the beginning of history to the day after the range, other events of the range alone.
occurred_at >= fromUnixTimestamp64Milli({range_from_ms:Int64}, 'UTC')
AND occurred_at < fromUnixTimestamp64Milli({range_to_ms:Int64}, 'UTC')
