-- retention.cohorts_first: the period of a user's first initial event ever.  Caller: query_api/retention_sql.py patterns_sql()
-- Params: range_from_ms Int64 (epoch ms); fragments first_period (number of the period of first_ms), first_key
-- Rows:   Array(Tuple(period, key, epoch ms)) of that event; empty when it lies before the range
-- Source: first by (occurred_at, seq, event_id) over all of history. initial_from_ms is 0 here.
if(
    countIf(is_initial) > 0 AND (minIf(at_ms, is_initial) AS first_ms) >= {range_from_ms:Int64},
    [({{first_period}}, {{first_key}}, first_ms)],
    []
)
