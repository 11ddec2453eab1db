-- sessions.events: what a session is made of, one row for each event.  Caller: query_api/sessions.py _events()
-- Params: fragments source (all events, from max_duration before the range to twice that after it, with the columns of sessions.flags),
--         places (sessions.places), event_key and order (of an event)
-- Rows:   user UInt64, session UInt64 (hash of app_id and session_id), is_silent UInt8 (without a session_id), at_ms Int64, flags
--         UInt8 (1: a page view, 2: passes the filter), page_number UInt64, page_place UInt128 (an order key with page_number:
--         query_api/order_keys.py), event_key, event_order String
-- Source: columns that nobody reads are not computed. Numbers sort and group faster than texts.
SELECT
    user,
    session,
    is_silent,
    flags,
    {{places}},
    {{event_key}} AS event_key,
    {{order}} AS event_order
FROM
(
    {{source}}
)
