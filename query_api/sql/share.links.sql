-- share.links: all cards with the cards above them.  Caller: query_api/share_forest.py load()
-- Params: those of share.cards; fragment cards (share.cards)
-- Rows:   one: cards, parents (0: none named), sharers Array(UInt64), all of one length; repeated_shares UInt64 (share events of
--         a share_id seen before)
SELECT
    groupArray(card) AS cards,
    groupArray(parent) AS parents,
    groupArray(sharer) AS sharers,
    sum(times) - count() AS repeated_shares
FROM
(
    {{cards}}
)
