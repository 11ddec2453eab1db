-- profile.changes: the events that make a person's profile, in order.  Caller: query_api/profile.py answer()
-- Params: fragment source (the person's events)
-- Rows:   the user_* events, oldest first; not more than 100,000
-- Source: the order of events: occurred_at, seq, event_id.
SELECT
    event,
    event_id,
    app_id,
    toUnixTimestamp64Milli(occurred_at) AS at_ms,
    seq,
    properties_text,
    properties_number,
    properties_flag,
    properties_list
FROM
(
    {{source}}
)
WHERE event IN ('user_set', 'user_set_once', 'user_increment', 'user_unset')
ORDER BY
    at_ms,
    seq,
    event_id,
    app_id
LIMIT 100000
