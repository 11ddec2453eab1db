-- events.rows: the events that some measure counts, with period, breakdown and which measures.  Caller: query_api/events_plan.py
-- Params: starts Array(Int64); fragments source (with columns is_<i>, value_<i>, has_value_<i>, and key where it is made of properties),
--         key (else: the column)
-- Rows:   those of the source, bucket_ms Int64, key String (packed), part_events (1: the event itself)
-- Source: Ask.computed: shards compute what is made of maps.
SELECT
    *,
    toUInt64(1) AS part_events,
    roundDown(toUnixTimestamp64Milli(occurred_at), {starts:Array(Int64)}) AS bucket_ms{{key}}
FROM
(
    {{source}}
)
