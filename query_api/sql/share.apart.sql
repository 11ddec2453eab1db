-- share.apart: events of some users.  Caller: query_api/share_sql.py
-- Params: table apart (user); fragment events (share.placed_seq)
-- Rows:   those of events
-- Source: of few users opens come between conversions of a group.
SELECT *
FROM
(
    {{events}}
)
WHERE user IN (SELECT user FROM apart)
