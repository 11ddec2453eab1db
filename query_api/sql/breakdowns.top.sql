-- breakdowns.top: the most frequent values of a breakdown.  Caller: query_api/breakdowns.py most_frequent()
-- Params: breakdown_limit UInt32; fragments events (a FROM clause), key (an expression, packed), number (of events: an aggregate)
-- Rows:   key String, events UInt64; most events first
-- Ties:   by key, so that the same request gives the same keys: by its text, before which a packed key has the length.
SELECT
    {{key}} AS key,
    {{number}} AS events
{{events}}
GROUP BY key
ORDER BY events DESC, substring(key, position(key, ':') + 1), key
LIMIT {breakdown_limit:UInt32}
