-- distribution.of_actors: what an actor adds to a user's value in a period.  Caller: query_api/distribution.py _values()
-- Params: those of distribution.values; fragments is_measured and is_extra (conditions)
-- Rows:   columns of a SELECT over events with GROUP BY bucket_ms, unit_ms: both Int64, measured, extra UInt64
-- Source: numbers of events can be added up in parts.
roundDown(toUnixTimestamp64Milli(occurred_at), {starts:Array(Int64)}) AS bucket_ms,
roundDown(toUnixTimestamp64Milli(occurred_at), {unit_starts:Array(Int64)}) AS unit_ms,
countIf({{is_measured}}) AS measured,
countIf({{is_extra}}) AS extra
