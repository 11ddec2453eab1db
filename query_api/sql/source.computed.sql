-- source.computed: events with computed columns that read attributes of their persons.  Caller: query_api/report.py Ask.computed()
-- Params: fragments events (a source with attributes), computed (columns, each with a comma before it)
-- Rows:   those of events, and the columns
-- Source: all others are computed where the events lie (source.events_latest).
SELECT *{{computed}}
FROM
(
    {{events}}
)
