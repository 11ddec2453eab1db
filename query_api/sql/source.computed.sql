-- source.computed: rows with computed columns that read attributes of their persons.  Caller: query_api/source.py computed()
-- Params: fragments rows (with attributes), computed (columns, each with a comma before it)
-- Rows:   those of rows, and the columns
-- Source: all others are computed where the events lie (source.events_latest).
SELECT *{{computed}}
FROM
(
    {{rows}}
)
