-- privacy.take_out: take the ids of a person out of the events of others.  Caller: collector/privacy.py erase()
-- Params: project String; keys Array(UInt64); until_ms Int64
-- Rows:   none
-- Source: the event stays the other person's: its strongest id is not touched. Ids are found by their keys (collector/identity.py
--         id_key): the text of a mutation stays in the data folder and in system.mutations.
ALTER TABLE events
UPDATE
    anonymous_id = if(xxh3(concat(project, '\x1fanonymous_id\x1f', app_id, '\x1f', anonymous_id)) IN {keys:Array(UInt64)}, '', anonymous_id),
    openid = if(xxh3(concat(project, '\x1fopenid\x1f', app_id, '\x1f', openid)) IN {keys:Array(UInt64)}, '', openid),
    unionid = if(xxh3(concat(project, '\x1funionid\x1f\x1f', unionid)) IN {keys:Array(UInt64)}, '', unionid),
    user_id = if(xxh3(concat(project, '\x1fuser_id\x1f\x1f', user_id)) IN {keys:Array(UInt64)}, '', user_id)
WHERE project = {project:String}
    AND actor NOT IN {keys:Array(UInt64)}
    AND (
        received_at <= fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
        OR toUnixTimestamp64Milli(occurred_at) - if(clock = 'shifted', 0, greatest(0, dateDiff('millisecond', received_at, sent_at))) <= {until_ms:Int64}
    )
    AND (
        xxh3(concat(project, '\x1fanonymous_id\x1f', app_id, '\x1f', anonymous_id)) IN {keys:Array(UInt64)}
        OR xxh3(concat(project, '\x1fopenid\x1f', app_id, '\x1f', openid)) IN {keys:Array(UInt64)}
        OR xxh3(concat(project, '\x1funionid\x1f\x1f', unionid)) IN {keys:Array(UInt64)}
        OR xxh3(concat(project, '\x1fuser_id\x1f\x1f', user_id)) IN {keys:Array(UInt64)}
    )
