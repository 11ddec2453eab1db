-- funnel.user_events: each user's relevant events in order, as arrays.  Caller: query_api/funnel_sql.py chains_sql()
-- Params: fragments source (a SELECT of events with user), mask (what an event matches, as bits), wanted (which events
--         matter), entered (which users can have entered), key (order and mask of an event as one sortable value),
--         key_at and key_mask (how to read them from k), tied (whether k and previous are undecided), kept (more arrays)
-- Rows:   user UInt64, keys Array, at_ms Array(Int64), masks Array(UInt64), undecided Bool: the key leaves the order of
--         two of the user's events open
-- Source: DESIGN-funnel.md, "One number for each event": plain numbers sort five times as fast as tuples.
SELECT
    user,
    groupArray({{key}}) AS unsorted_keys,
    arraySort(unsorted_keys) AS keys,
    arrayMap(k -> {{key_at}}, keys) AS at_ms,
    arrayMap(k -> {{key_mask}}, keys) AS masks,
    arrayExists((k, previous) -> {{tied}}, arrayPopFront(keys), arrayPopBack(keys)) AS undecided
    {{kept}}
FROM
(
    SELECT
        *,
        {{mask}} AS mask
    FROM
    (
        {{source}}
    )
)
WHERE {{wanted}}
GROUP BY user
HAVING {{entered}}
