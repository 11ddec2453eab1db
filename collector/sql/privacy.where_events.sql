-- privacy.where_events: events of a person.  Caller: collector/privacy.py
-- Params: keys Array(UInt64); until_ms Int64 (epoch ms)
-- Rows:   a condition over events
-- Source: an event belongs to the person of its strongest id. What happens after the erasure is new.
actor IN {keys:Array(UInt64)}
AND occurred_at <= fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
