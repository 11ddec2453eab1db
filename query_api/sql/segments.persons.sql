-- segments.persons: every person with its segments and its value.  Caller: query_api/segment_comparison.py _persons()
-- Params: fragments source, mask (an expression over user: bit i for segment i), event_key and key_order (of an
--         event), first_key (of a user)
-- Rows:   user, mask UInt64; key String (packed); each user once
-- Source: the value is that of the first event with any of the fields, as in every report where rows add up.
SELECT
    user,
    {{mask}} AS mask,
    {{first_key}} AS key
FROM
(
    SELECT
        user,
        {{event_key}} AS event_key,
        {{key_order}} AS key_order
    FROM
    (
        {{source}}
    )
)
GROUP BY user
