-- per_user.ranked: rows with the most frequent keys by themselves, and all others as "other".  Caller: query_api/per_user.py ranked()
-- Params: breakdown_limit UInt32; fragments rows (a materialized CTE with a packed key), top (breakdowns.top over it)
-- Rows:   those of rows
-- Source: keys are ranked by the rows that are shown, so no event is read for that.
SELECT * REPLACE (if(key IN (SELECT key FROM ({{top}})), key, '') AS key)
FROM {{rows}}
