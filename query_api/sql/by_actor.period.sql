-- by_actor.period: the number of an event's period.  Caller: query_api/by_actor.py period_sql()
-- Params: starts Array(Int64) (epoch ms of the periods), numbers Array(UInt16) (their numbers)
-- Rows:   an expression over the columns of events, UInt16; for an event before the first start the number of that
-- Source: a search for the start, which may lie anywhere: clocks change.
transform(roundDown(toUnixTimestamp64Milli(occurred_at), {starts:Array(Int64)}), {starts:Array(Int64)}, {numbers:Array(UInt16)}, toUInt16(0))
