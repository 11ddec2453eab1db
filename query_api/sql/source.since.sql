-- source.since: from when on the id of an event has its person.  Caller: query_api/source.py by_actor()
-- Params: from_ms Int64 (epoch ms); columns of source.changes
-- Rows:   an expression over the columns of events, Int64: a time at or before the event, with no change of person between them
-- Source: the same for all events of an id that stays one person's.
greatest({from_ms:Int64}, arrayLast(bound_ms -> bound_ms <= toUnixTimestamp64Milli(occurred_at), changes.strict_from))
