-- events.points: every measure for each period and over the whole range.  Caller: query_api/events.py _series()
-- Params: starts Array(Int64) (epoch ms of the periods); fragments rows (events.rows), aggregates (from events.py)
-- Rows:   bucket_ms Int64 (start of the period, 0: the whole range), key String (packed), one or two columns a measure
-- Source: one pass; both groupings are made of the same rows, so users of the range are distinct over the range.
SELECT
    bucket_ms,
    key,
    {{aggregates}}
FROM
(
    {{rows}}
)
GROUP BY GROUPING SETS
(
    (bucket_ms, key),
    (key)
)
