-- retention.cohorts_first_by_actor: as retention.cohorts_first, from retention.of_actors_first.
-- Caller: query_api/retention_sql.py patterns_sql()
-- Params: range_from_ms Int64 (epoch ms); fragment first_period (number of the period of first_ms)
-- Rows:   as retention.cohorts_first, without a key
-- Source: who has no initial event has 0, which is before any range.
if(
    (minIf(initial_ms, initial_ms != 0) AS first_ms) >= {range_from_ms:Int64},
    [({{first_period}}, '', first_ms)],
    []
)
