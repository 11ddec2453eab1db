-- share.earliest: the earliest card of each cycle.  Caller: query_api/share_forest.py load()
-- Params: those of share.events; table wanted (card, cycle UInt64); fragment cards (share.cards)
-- Rows:   card UInt64
SELECT argMin(card, (shared, app_id)) AS card
FROM
(
    {{cards}}
) AS cards
INNER JOIN wanted ON cards.card = wanted.card
GROUP BY cycle
