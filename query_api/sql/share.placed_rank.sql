-- share.placed_rank: events of some users with their place in the user's order: epoch ms, and their number among the events of that ms.
--         Caller: query_api/share_sql.py
-- Params: table undecided (user); fragment events (source.sessions over all events that are compared)
-- Rows:   as share.placed_seq
-- Source: the whole order of events, (occurred_at, seq, event_id); equal ids of two apps by app_id.
SELECT
    *,
    bitShiftLeft(toUInt64(toUnixTimestamp64Milli(occurred_at)), 20)
        + row_number() OVER (PARTITION BY user, occurred_at ORDER BY seq, event_id, app_id) AS place
FROM
(
    {{events}}
)
WHERE user IN (SELECT user FROM undecided)
