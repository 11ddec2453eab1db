-- share.placed_seq: events with their place in their user's order.  Caller: query_api/share_sql.py
-- Params: fragments place (share.place), events (source.sessions)
-- Rows:   those of events, and place UInt64
-- Source: share.place
SELECT
    *,
    {{place}} AS place
FROM
(
    {{events}}
)
