-- funnel.collected: each user's relevant events as arrays, event by event.  Caller: query_api/funnel_sql.py _collected_sql()
-- Params: fragments source (a SELECT of events with user and mask: what an event matches, as bits), wanted (which events matter), entered
--         (of the matched steps: whether the user can have entered), arrays (unsorted_keys: order and mask of an event as one sortable
--         value, and more)
-- Rows:   user UInt64 and the arrays
-- Source: where the person of an event is known only with the event, or its attributes decide.
SELECT
    user,
    {{arrays}}
FROM
(
    {{source}}
)
WHERE {{wanted}}
GROUP BY user
HAVING {{entered}}
