-- attribution.users: the users of a row.  Caller: query_api/attribution.py users()
-- Params: cell_touch Int16 (-1: any); fragments credits (attribution.credits), in_key, is_credited (a condition)
-- Rows:   user UInt64, each once
-- Source: the same rows that attribution.counts counts.
SELECT DISTINCT user
FROM
(
    {{credits}}
)
WHERE ({cell_touch:Int16} = -1 OR touch = {cell_touch:Int16})
    AND {{in_key}}
    AND {{is_credited}}
