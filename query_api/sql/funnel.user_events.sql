-- funnel.user_events: each user's relevant events in order, as arrays.  Caller: query_api/funnel_sql.py user_events_sql()
-- Params: fragments collected (by_actor.collected: unsorted_keys, order and mask of an event as one sortable value, and more), key_at and key_mask (how to read time and mask from a
--         key k), undecided (of keys), sorted (more arrays in the order of keys)
-- Rows:   user UInt64, keys Array, at_ms Array(Int64), masks Array(UInt64), undecided Bool: the key leaves the order of
--         two of the user's events open
-- Source: DESIGN-funnel.md, "One number for each event": plain numbers sort five times as fast as tuples.
-- TRICKY: an alias is copied into every place that uses it, and copies of copies take seconds to plan. So here and in the
--         other funnel files a value that is used more than once is a column of a subquery of its own.
SELECT
    *,
    arrayMap(k -> {{key_at}}, keys) AS at_ms,
    arrayMap(k -> {{key_mask}}, keys) AS masks,
    arrayUniq(at_ms) < length(at_ms) AND {{undecided}} AS undecided
FROM
(
    SELECT
        user,
        arraySort(unsorted_keys) AS keys
        {{sorted}}
    FROM
    (
        {{collected}}
    )
)
