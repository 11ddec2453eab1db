-- share.made: share events as rows of share.cards: right for every card that has one event only.  Caller: query_api/share_forest.py
-- Params: those of share.events; fragment events (share.events)
-- Rows:   card, parent, sharer UInt64, shared_ms Int64, matches Bool, page, channel, key String
SELECT
    card,
    card_above AS parent,
    user AS sharer,
    at_ms AS shared_ms,
    share_matches AS matches,
    share_page AS page,
    share_channel AS channel,
    share_key AS key
FROM
(
    {{events}}
)
