-- sessions.events: what a session is made of, one row for each event.  Caller: query_api/sessions.py _visits(), _kinds()
-- Params: fragments source (all events, from max_duration before the range to twice that after it), is_page_view and passes
--         (conditions), event_key and order (of an event)
-- Rows:   user UInt64, session UInt64 (hash of app_id and session_id), is_silent UInt8 (without a session_id), at_ms Int64, flags
--         UInt8 (1: a page view, 2: passes the filter), page_name, event_key, event_order String
-- Source: columns that nobody reads are not computed.
SELECT
    user,
    cityHash64(app_id, session_id) AS session,
    session_id = '' AS is_silent,
    toUnixTimestamp64Milli(occurred_at) AS at_ms,
    toUInt8(({{is_page_view}}) + 2 * ({{passes}})) AS flags,
    toString(page) AS page_name,
    {{event_key}} AS event_key,
    {{order}} AS event_order
FROM
(
    {{source}}
)
