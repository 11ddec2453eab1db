-- paths.collected: each user's events that take part, unsorted.  Caller: query_api/paths.py _collected()
-- Params: fragment source (events with way_key: an order key of the node's number and the anchor's bit, and is_anchor)
-- Rows:   user UInt64, way_keys Array; users with a start or end
-- Source: where the person of an event is known only with the event, or its attributes decide.
SELECT
    user,
    groupArray(way_key) AS way_keys
FROM
(
    {{source}}
)
GROUP BY user
HAVING max(is_anchor)
