-- events.points_alone: as events.points, of measures that need no person.  Caller: query_api/events_plan.py points_sql()
-- Params: starts Array(Int64) (epoch ms of the periods); fragments events (source.alone), key (an expression), measures (columns
--         is_<i>, value_<i>, has_value_<i>), aggregates (from events_plan.py)
-- Rows:   those of events.points
-- Source: one pass, which each shard makes over its own events; their sums, extremes and exact values are put together.
WITH
    {{measures}}
SELECT
    roundDown(toUnixTimestamp64Milli(occurred_at), {starts:Array(Int64)}) AS bucket_ms,
    {{key}} AS key,
    {{aggregates}}
{{events}}
GROUP BY GROUPING SETS
(
    (bucket_ms, key),
    (key)
)
