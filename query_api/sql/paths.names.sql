-- paths.names: the nodes behind the numbers.  Caller: query_api/paths.py _names()
-- Params: app_ids Array(String); from_ms, to_ms Int64 (epoch ms, end exclusive), as the source of the events; fragments events (the
--         table, or a source where values are of the person), value (a text of an event), number (order_keys.hashed), wanted
--         (a condition on the event)
-- Rows:   number UInt64, node Tuple(String, String), each once
-- Source: copies of events name no other nodes that are counted, so nothing has to be merged.
SELECT
    {{number}} AS number,
    (toString(event), {{value}}) AS node
FROM {{events}}
WHERE app_id IN {app_ids:Array(String)}
    AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    AND {{wanted}}
GROUP BY
    number,
    node
