-- breakdowns.top: the most frequent values of a breakdown.  Caller: query_api/breakdowns.py most_frequent()
-- Params: breakdown_limit UInt32; fragments events (a FROM clause), key (an expression, packed), number (of events: an aggregate),
--         ties (breakdowns.PACKED_ORDER)
-- Rows:   key String, events UInt64; most events first
-- Ties:   by key, so that the same request gives the same keys.
SELECT
    {{key}} AS key,
    {{number}} AS events
{{events}}
GROUP BY key
ORDER BY events DESC, {{ties}}
LIMIT {breakdown_limit:UInt32}
