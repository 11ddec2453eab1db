-- exchange.in_counts: those who come, for every row.  Caller: query_api/exchange.py _in()
-- Params: those of scenes.user_metrics; fragment user_metrics
-- Rows:   key String (packed; empty: the total of all partners), metric String, n UInt64, users UInt64 (distinct)
-- Source: entries without a referring app have a key that begins with an empty text, '0:'; they are in no row.
SELECT
    key,
    metric,
    sum(m.n) AS n,
    uniqExact(user) AS users
FROM
(
    {{user_metrics}}
) AS m
WHERE key != ''
    AND NOT startsWith(key, '0:')
GROUP BY GROUPING SETS
(
    (key, metric),
    (metric)
)
