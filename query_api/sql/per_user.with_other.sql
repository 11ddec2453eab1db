-- per_user.with_other: rows with some keys by themselves, and all others as "other".  Caller: query_api/per_user.py with_other()
-- Params: fragments rows (a SELECT with a packed key), folded (per_user.folded)
-- Rows:   those of rows
-- Source: a comparison shows the keys of the range asked for.
SELECT * REPLACE ({{folded}} AS key)
FROM
(
    {{rows}}
)
