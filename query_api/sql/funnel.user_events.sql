-- funnel.user_events: each user's events in order, as arrays.  Caller: query_api/funnel_sql.py user_events_sql()
-- Params: fragments source (a SELECT of events with user), mask (which steps and exclusions an event matches, as bits),
--         wanted (a condition on mask), entry (whether a step-1 event lies in the range), key, key_order, key_at,
--         key_mask (how order and mask are packed into one number), kept (further arrays, see below), tied (a condition)
-- Rows:   user UInt64; keys; at_ms Array(UInt64), masks Array(UInt64) in the order of events; undecided UInt8: 1 where
--         key cannot tell the order of two events that differ. Only users who can have entered.
-- Source: DESIGN-funnel.md, "One number per event": sorting plain numbers costs a fifth of sorting tuples.
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
