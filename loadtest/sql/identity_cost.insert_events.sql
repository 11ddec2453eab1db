-- identity_cost.insert_events: events of those persons under each of their ids.  Caller: loadtest/identity_cost.py
-- Params: project String; app_id String; events UInt64; persons UInt64; from_ms Int64; days UInt32
-- Rows:   none
-- Source: a third under each id, three names, evenly over the days
INSERT INTO events
(
    project, app_id, platform, event, event_id, event_key, actor, occurred_at, client_occurred_at, sent_at, received_at,
    precedence, clock, session_id
)
WITH
    sipHash64(number) % {persons:UInt64} AS person,
    {from_ms:Int64} + toInt64(sipHash64(number, 1) % (toUInt64({days:UInt32}) * 86400000)) AS at_ms,
    fromUnixTimestamp64Milli(at_ms, 'UTC') AS at,
    concat('i', toString(number)) AS id
SELECT
    {project:String},
    {app_id:String},
    'wechat',
    ['product_view', 'add_to_cart', 'order_pay'][sipHash64(number, 2) % 3 + 1],
    id,
    xxh3(concat({app_id:String}, '\x1f', id)),
    xxh3([
        concat({project:String}, '\x1fanonymous_id\x1f', {app_id:String}, '\x1fa', toString(person)),
        concat({project:String}, '\x1fopenid\x1f', {app_id:String}, '\x1fo', toString(person)),
        concat({project:String}, '\x1fuser_id\x1f\x1fu', toString(person))
    ][sipHash64(number, 3) % 3 + 1]),
    at,
    at,
    at,
    at,
    toUInt64(9223372036854775808 - at_ms),
    'ok',
    's'
FROM numbers({events:UInt64})
