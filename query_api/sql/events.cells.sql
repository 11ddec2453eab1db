-- events.cells: what the events of each period and breakdown value add to the measures.  Caller: query_api/events_plan.py
-- Params: starts Array(Int64) (epoch ms of the periods); fragments given (WITH, or nothing), keys (columns bucket_ms and key),
--         events_number (an aggregate), parts (columns of cell_sql), events (a FROM clause)
-- Rows:   bucket_ms Int64 (start of the period), key String (packed), cell_events UInt64 (of a key together: how many it has),
--         the columns of parts, users and sessions as states
-- Source: of measures that need no person each shard makes those of its own events.
{{given}}
SELECT
    {{keys}},
    {{events_number}} AS cell_events,
    {{parts}}
{{events}}
GROUP BY
    bucket_ms,
    key
