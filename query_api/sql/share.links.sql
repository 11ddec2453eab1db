-- share.links: all cards with the cards above them.  Caller: query_api/share_forest.py load()
-- Params: those of share.events; fragment cards (share.made or share.cards)
-- Rows:   card, parent (0: none named), sharer, shared (epoch ms), passes (0 or 1), page_number, channel_number, key_number UInt64: of each card, the
--         last three as xxh3 of the text (share.names)
SELECT
    card,
    parent,
    sharer,
    toUInt64(shared_ms) AS shared,
    toUInt64(matches) AS passes,
    xxh3(page) AS page_number,
    xxh3(channel) AS channel_number,
    xxh3(key) AS key_number
FROM
(
    {{cards}}
)
