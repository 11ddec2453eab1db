-- scenes.conversion_counts: conversions of every row.  Caller: query_api/scenes.py _measured()
-- Params: those of scenes.conversions; fragment conversions
-- Rows:   key String (packed; empty: the total), conversions, converters UInt64, conversion_value Float64
SELECT
    key,
    sum(conversions) AS conversions,
    count() AS converters,
    {{exact_sum(amount)}} AS conversion_value
FROM
(
    {{conversions}}
)
GROUP BY key
