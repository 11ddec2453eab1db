-- source.by_actor: events added up by actor, as rows of source.events_latest.  Caller: query_api/source.py by_actor()
-- Params: those of source.alone; fragments given (WITH and expressions by name, or nothing: what columns and events may name), keys (names of
--         columns, each with a comma before it), columns (expressions of the keys, and aggregates), events (source.alone)
-- Rows:   actor UInt64, the columns; each actor once for every shard and value of the keys, so a user may have several rows
-- Source: shards add up their own events, and what leaves them are the sums, of one actor from each: not put together before the persons
--         are. The other setting is that of source.GROUPED_ON_SHARDS.
{{given}}
SELECT
    actor,
    {{columns}}
{{events}}
GROUP BY
    actor{{keys}}
SETTINGS optimize_const_name_size = -1, distributed_group_by_no_merge = 1
