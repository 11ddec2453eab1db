-- share.events: what a share event makes a card of: columns of its source.  Caller: query_api/share_sql.py events()
-- Params: fragments order (source.order), matches (a condition), page, channel, key (texts; '' where the question does not need them)
-- Rows:   card, card_above UInt64 (0: none named), made_share_id, above_share_id, event_order String, at_ms Int64, share_matches Bool,
--         share_page, share_channel, share_key String
-- Source: a card is known by xxh3 of its app and share_id; the two collide with a chance of 3e-8 among a million. Computed before
--         persons are joined (Ask.computed): the join would carry the whole map of properties, for 2 s of CPU instead of 0.6 a million.
xxh3(app_id, properties_text['share_id']) AS card,
if(
    properties_text['parent_share_id'] = '',
    toUInt64(0),
    xxh3(app_id, properties_text['parent_share_id'])
) AS card_above,
properties_text['share_id'] AS made_share_id,
properties_text['parent_share_id'] AS above_share_id,
{{order}} AS event_order,
toUnixTimestamp64Milli(occurred_at) AS at_ms,
toBool({{matches}}) AS share_matches,
{{page}} AS share_page,
{{channel}} AS share_channel,
{{key}} AS share_key
