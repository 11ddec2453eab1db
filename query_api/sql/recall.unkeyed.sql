-- recall.unkeyed: what became of each person of a campaign, without a breakdown.  Caller: query_api/recall.py _keyed()
-- Params: those of recall.outcomes; fragment outcomes
-- Rows:   those of outcomes and key String ('')
SELECT
    *,
    '' AS key
FROM
(
    {{outcomes}}
)
