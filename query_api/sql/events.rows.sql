-- events.rows: the events that some measure counts, with period, breakdown and which measures.  Caller: query_api/events.py
-- Params: starts Array(Int64); fragments key (an expression), measures (columns is_<i>, value_<i>, has_value_<i>), source
-- Rows:   those of the source, bucket_ms Int64, key String (packed), the measures' columns
SELECT
    *,
    roundDown(toUnixTimestamp64Milli(occurred_at), {starts:Array(Int64)}) AS bucket_ms,
    {{key}} AS key,
    {{measures}}
FROM
(
    {{source}}
)
