-- events.points: every measure for each period and over the whole range.  Caller: query_api/events_plan.py points_sql()
-- Params: those of events.cells; breakdown_limit UInt32 (bound where values are ranked); fragments cells (events.cells, by per_user.shown),
--         measures (columns of measure_sql)
-- Rows:   bucket_ms Int64 (start of the period, 0: the whole range), key String (packed), one or two columns a measure
-- Source: one pass over events; both groupings are made of the same cells, so users of the range are distinct over the range, and
--         breakdown values are ranked by them.
SELECT
    bucket_ms,
    key,
    {{measures}}
FROM
(
    {{cells}}
)
GROUP BY GROUPING SETS
(
    (bucket_ms, key),
    (key)
)
SETTINGS enable_materialized_cte = 1
