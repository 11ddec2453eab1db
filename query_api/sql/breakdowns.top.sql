-- breakdowns.top: the most frequent values of a breakdown.  Caller: query_api/breakdowns.py top()
-- Params: breakdown_limit UInt32 (one more than are shown); fragments events (a FROM clause), key (an expression), number (of
--         events: an aggregate)
-- Rows:   key Array(String), events UInt64; most events first
-- Ties:   by key, so that the same request gives the same keys.
SELECT
    {{key}} AS key,
    {{number}} AS events
{{events}}
GROUP BY key
ORDER BY events DESC, key
LIMIT {breakdown_limit:UInt32}
