-- share.links: all cards with the cards above them.  Caller: query_api/share_forest.py load()
-- Params: those of share.events; fragment cards (share.made or share.cards)
-- Rows:   card, parent (0: none named), sharer UInt64; shared_ms Int64, matches Bool; page, channel, key LowCardinality(String)
-- Source: of a text every card has the place in a list of texts.
SELECT
    card,
    parent,
    sharer,
    shared_ms,
    matches,
    toLowCardinality(page) AS page,
    toLowCardinality(channel) AS channel,
    toLowCardinality(key) AS key
FROM
(
    {{cards}}
)
