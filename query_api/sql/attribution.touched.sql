-- attribution.touched: the touches that get something.  Caller: query_api/attribution.py _top()
-- Params: fragment credits (attribution.credits)
-- Rows:   those of credits without those of targets without a touch
-- Source: as per_user.ranked counts them in attribution.counts.
SELECT *
FROM
(
    {{credits}}
)
WHERE touch > 0
