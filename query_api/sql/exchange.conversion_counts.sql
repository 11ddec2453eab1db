-- exchange.conversion_counts: conversions of those who come, for every row.  Caller: query_api/exchange.py _in()
-- Params: those of scenes.conversions; fragment conversions
-- Rows:   key String (packed; empty: the total of all partners), conversions, converters UInt64, conversion_value Float64
SELECT
    key,
    sum(c.conversions) AS conversions,
    uniqExact(user) AS converters,
    {{exact_sum(c.amount)}} AS conversion_value
FROM
(
    {{conversions}}
) AS c
WHERE key != ''
    AND NOT startsWith(key, '0:')
GROUP BY GROUPING SETS
(
    (key),
    ()
)
