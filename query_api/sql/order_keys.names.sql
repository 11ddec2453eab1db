-- order_keys.names: the keys behind the numbers.  Caller: query_api/order_keys.py names_sql()
-- Params: app_ids Array(String); from_ms, to_ms Int64 (epoch ms, end exclusive), as the source of the events; fragments given (WITH and
--         expressions by name, or nothing), events (Ask.unmerged), key (of an event), number (order_keys.hashed), wanted (a condition on the event), groups
--         (what key and number are made of)
-- Rows:   key (packed String; of paths a Tuple), number UInt64, each pair once
-- Source: copies of events name no other keys that are counted, so nothing has to be merged.
{{given}}
SELECT
    {{key}} AS key,
    {{number}} AS number
FROM {{events}}
WHERE app_id IN {app_ids:Array(String)}
    AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    AND {{wanted}}
GROUP BY {{groups}}
