-- share.cards: one row for each of some cards: the first share event of its share_id in its app.  Caller: query_api/share_sql.py
-- Params: those of share.events; table wanted (card); fragment events (share.events)
-- Rows:   card, parent UInt64 (0: none named), app_id, share_id, parent_share_id, sharer UInt64 (a user), shared_ms Int64,
--         shared String (sorts as source.order), page, channel, key String, matches Bool
SELECT
    card,
    argMin(card_above, event_order) AS parent,
    any(toString(app_id)) AS app_id,
    any(made_share_id) AS share_id,
    argMin(above_share_id, event_order) AS parent_share_id,
    argMin(user, event_order) AS sharer,
    argMin(at_ms, event_order) AS shared_ms,
    min(event_order) AS shared,
    argMin(share_page, event_order) AS page,
    argMin(share_channel, event_order) AS channel,
    argMin(share_matches, event_order) AS matches,
    argMin(share_key, event_order) AS key
FROM
(
    {{events}}
)
WHERE card IN (SELECT card FROM wanted)
GROUP BY card
