-- share.cascade: what is written of the cards of a cascade.  Caller: query_api/share.py _cascade()
-- Params: cascade_limit UInt32; table wanted (card, up UInt64, depth UInt32); fragment cards (share.cards)
-- Rows:   card UInt64, app_id, share_id, parent_share_id String, depth UInt32, sharer UInt64, shared_ms Int64, page, channel String
SELECT
    card,
    app_id,
    share_id,
    if(wanted.up = 0, '', parent_share_id) AS parent_share_id,
    wanted.depth AS depth,
    sharer,
    shared_ms,
    page,
    channel
FROM
(
    {{cards}}
) AS cards
INNER JOIN wanted ON cards.card = wanted.card
ORDER BY
    depth,
    shared_ms,
    share_id,
    app_id
LIMIT {cascade_limit:UInt32}
