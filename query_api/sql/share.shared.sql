-- share.shared: the place of the share event of some cards.  Caller: query_api/share_sql.py
-- Params: table wanted (card, sharer); fragments events (share.placed_rank), makes (a condition: a share event that makes a card)
-- Rows:   card, shared (a place) UInt64
SELECT
    xxh3(app_id, properties_text['share_id']) AS card,
    min(place) AS shared
FROM
(
    {{events}}
)
WHERE {{makes}}
    AND (xxh3(app_id, properties_text['share_id']), user) IN (SELECT card, sharer FROM wanted)
GROUP BY card
