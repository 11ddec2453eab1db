-- lifecycle.active: the periods in which each user was active.  Caller: query_api/lifecycle.py _states()
-- Params: those of lifecycle.states; fragments number (of an event's period), source, event_key and key_order (of an event), first_key (of a
--         user)
-- Rows:   user UInt64, numbers Array(UInt16) (of periods; 0: before all of them), key String (packed); each user once
-- Source: one pass over all of history, since new means the first event ever.
SELECT
    user,
    groupUniqArray(number) AS numbers,
    {{first_key}} AS key
FROM
(
    SELECT
        user,
        {{number}} AS number,
        {{event_key}} AS event_key,
        {{key_order}} AS key_order
    FROM
    (
        {{source}}
    )
)
GROUP BY user
