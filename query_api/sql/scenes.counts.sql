-- scenes.counts: every metric of every row.  Caller: query_api/scenes.py answer()
-- Params: those of scenes.user_metrics; fragment user_metrics
-- Rows:   key String (packed; empty: the total), metric String, n UInt64
SELECT
    key,
    metric,
    sum(n) AS n
FROM
(
    {{user_metrics}}
)
GROUP BY
    key,
    metric
