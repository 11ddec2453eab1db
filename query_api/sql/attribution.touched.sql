-- attribution.touched: the touches that get something, one row for each.  Caller: query_api/attribution.py _top()
-- Params: fragment credits (attribution.credits)
-- Rows:   key String (packed)
SELECT key
FROM
(
    {{credits}}
)
ARRAY JOIN range(times)
WHERE touch > 0
