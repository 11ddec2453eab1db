-- summary.first_active: the first active event of an actor.  Caller: query_api/summary.py _active_before()
-- Params: none
-- Rows:   a column of a SELECT with GROUP BY: active_ms Int64
-- Source: by_actor.py
min(toUnixTimestamp64Milli(occurred_at)) AS active_ms
