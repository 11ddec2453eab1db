-- share.cards: one row for each card: the first share event of its share_id in its app.  Caller: query_api/share_sql.py
-- Params: fragments order (source.order), matches (a condition), key (an expression: Array(String)), page, channel (texts; like key empty
--         where the question does not need them), source (all share events with a share_id)
-- Rows:   card UInt64, parent UInt64 (0: none named), app_id, share_id, parent_share_id, sharer UInt64 (a user), shared_ms Int64,
--         shared String (sorts as source.order), page, channel String, matches Bool, key, times UInt64 (share events)
-- Source: a card is known by siphash of its app and share_id; the two collide with a chance of 3e-8 among a million.
SELECT
    card,
    if(parent_share_id = '', toUInt64(0), sipHash64(app_id, parent_share_id)) AS parent,
    any(toString(app_id)) AS app_id,
    any(properties_text['share_id']) AS share_id,
    argMin(properties_text['parent_share_id'], event_order) AS parent_share_id,
    argMin(user, event_order) AS sharer,
    argMin(at_ms, event_order) AS shared_ms,
    min(event_order) AS shared,
    argMin(share_page, event_order) AS page,
    argMin(share_channel, event_order) AS channel,
    argMin(share_matches, event_order) AS matches,
    argMin(share_key, event_order) AS key,
    count() AS times
FROM
(
    SELECT
        *,
        sipHash64(toString(app_id), properties_text['share_id']) AS card,
        {{order}} AS event_order,
        toUnixTimestamp64Milli(occurred_at) AS at_ms,
        toBool({{matches}}) AS share_matches,
        {{page}} AS share_page,
        {{channel}} AS share_channel,
        {{key}} AS share_key
    FROM
    (
        {{source}}
    )
)
GROUP BY card
