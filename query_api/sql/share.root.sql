-- share.root: the keys of the cards of a share_id.  Caller: query_api/share.py _cascade()
-- Params: app_ids Array(String); root String
-- Rows:   one: cards Array(UInt64), one for each app, whether it has the card or not
-- Source: as share.cards names cards.
SELECT arrayMap(app_id -> xxh3(app_id, {root:String}), {app_ids:Array(String)}) AS cards
