-- privacy.take_out: take the ids of a person out of the events of others.  Caller: collector/privacy.py erase()
-- Params: project String; keys Array(UInt64); until_ms Int64; anonymous_ids, openids, unionids, user_ids Array(String)
--         (app_id, 0x1f, id; the first is '' for the last two)
-- Rows:   none
-- Source: the event stays the other person's: its strongest id is not touched.
ALTER TABLE events
UPDATE
    anonymous_id = if(concat(app_id, '\x1f', anonymous_id) IN {anonymous_ids:Array(String)}, '', anonymous_id),
    openid = if(concat(app_id, '\x1f', openid) IN {openids:Array(String)}, '', openid),
    unionid = if(concat('\x1f', unionid) IN {unionids:Array(String)}, '', unionid),
    user_id = if(concat('\x1f', user_id) IN {user_ids:Array(String)}, '', user_id)
WHERE project = {project:String}
    AND actor NOT IN {keys:Array(UInt64)}
    AND (
        received_at <= fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
        OR toUnixTimestamp64Milli(occurred_at) - if(clock = 'shifted', 0, greatest(0, dateDiff('millisecond', received_at, sent_at))) <= {until_ms:Int64}
    )
    AND (
        concat(app_id, '\x1f', anonymous_id) IN {anonymous_ids:Array(String)}
        OR concat(app_id, '\x1f', openid) IN {openids:Array(String)}
        OR concat('\x1f', unionid) IN {unionids:Array(String)}
        OR concat('\x1f', user_id) IN {user_ids:Array(String)}
    )
