-- promoters.trail: orders with the touch that they are due to.  Caller: query_api/promoters.py answer()
-- Params: trail String (a promoter, '' for none, * for all); trail_limit UInt32; fragment facts (promoters.facts)
-- Rows:   those of promoters.facts of kind 3, oldest first
-- Source: the same rows that promoters.counts adds up.
SELECT *
FROM
(
    {{facts}}
)
WHERE kind = 3
    AND ({trail:String} = '*' OR promoter = {trail:String})
ORDER BY
    at_ms,
    event_id,
    app_id
LIMIT {trail_limit:UInt32}
