-- share.links: all cards with the cards above them, as arrays of one length.  Caller: query_api/share_forest.py load()
-- Params: those of share.events; fragment cards (share.made or share.cards)
-- Rows:   one: cards, parents (0: none named), sharers, shared (epoch ms), matches (0 or 1), pages, channels, keys Array(UInt64): of each
--         card, the last three as siphash of the text; named Array of (siphash UInt64, text), each text once
SELECT
    groupArray(card) AS cards,
    groupArray(parent) AS parents,
    groupArray(sharer) AS sharers,
    groupArray(toUInt64(shared_ms)) AS shared,
    groupArray(toUInt64(matches)) AS matches,
    groupArray(sipHash64(page)) AS pages,
    groupArray(sipHash64(channel)) AS channels,
    groupArray(sipHash64(key)) AS keys,
    arrayMap(
        text -> (sipHash64(text), text),
        arrayDistinct(arrayConcat(groupUniqArray(page), groupUniqArray(channel), groupUniqArray(key)))
    ) AS named
FROM
(
    {{cards}}
)
