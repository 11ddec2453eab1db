-- privacy.others: events of other persons that carry an id of a person.  Caller: collector/privacy.py
-- Params: those of privacy.take_out
-- Rows:   count UInt64
-- Source: a device or openid that two used: it stayed with the first, the events of the second carry it.
SELECT count()
FROM events
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
