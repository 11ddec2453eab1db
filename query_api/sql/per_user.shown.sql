-- per_user.shown: the same of rows that nobody else reads.  Caller: query_api/per_user.py shown()
-- Params: those of per_user.ranked; fragments rows (a SELECT with a packed key), ranked (per_user.ranked over kept)
-- Rows:   those of rows
-- Source: rows are made once, and kept while their keys are ranked; a statement with them needs enable_materialized_cte.
WITH kept AS MATERIALIZED
(
    {{rows}}
)
{{ranked}}
