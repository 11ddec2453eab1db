-- privacy.where_events: events of a person.  Caller: collector/privacy.py
-- Params: keys Array(UInt64); until_ms Int64 (epoch ms)
-- Rows:   a condition over events
-- Source: an event belongs to the person of its strongest id. What happens after the erasure is new; a client's clock that goes
--         ahead by less than what is corrected makes it no newer.
actor IN {keys:Array(UInt64)}
AND (
    received_at <= fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
    OR toUnixTimestamp64Milli(occurred_at) - if(clock = 'shifted', 0, greatest(0, dateDiff('millisecond', received_at, sent_at))) <= {until_ms:Int64}
)
