-- queries.insert_events: a synthetic log, straight into the table.  Caller: loadtest/queries.py
-- Params: project String; app_id String; first UInt64 and rows UInt64, the event numbers of this part; users UInt64;
--         from_ms Int64, epoch ms of the first day; days UInt32
-- Rows:   none
-- Source: visits of eight events about 20 s apart that begin with app_show; a few users make most of the visits (square of a
--         uniform number); every fifth user is anonymous in the first third of the days and is joined by
--         queries.insert_persons. Two visits of five open a card and pass it on with a card of their own, one only opens. A
--         thousand cards make up to 50 generations of trees: a parent is mostly one of the last before it, one of twenty is a root
INSERT INTO events
(
    project, app_id, platform, event, event_id, event_key, actor, occurred_at, client_occurred_at, sent_at, received_at,
    precedence, clock, seq, session_id, anonymous_id, openid, scene, page, share_id, group_id, device_brand, device_os, app_version,
    properties_text, properties_number
)
WITH
    number AS n,
    intDiv(n, 8) AS visit,
    n % 8 AS place,
    toUInt64(pow(sipHash64(visit, 1) / 18446744073709551616., 2) * {users:UInt64}) AS u,
    visit % 5 < 2 AS shares,
    intDiv(visit, 5) * 2 + shares * (visit % 5) AS card,
    card % 1000 AS nth,
    sipHash64(visit, 2) / 18446744073709551616. AS part,
    -- A card is younger than all with a lower number among its thousand.
    if(visit % 5 < 3, (nth + part * 0.3) / 1000, part) AS when,
    {from_ms:Int64} + toInt64(when * (toUInt64({days:UInt32}) * 86400000 - 160000)
        + place * 20000 + sipHash64(n, 2) % 20000) AS at_ms,
    nth - 1 - toUInt64(nth * pow(sipHash64(visit, 8) / 18446744073709551616., 4)) AS above,
    if(visit % 5 > 2 OR nth = 0 OR sipHash64(visit, 9) % 20 = 0, '', concat('s', toString(card - nth + above))) AS parent,
    fromUnixTimestamp64Milli(at_ms, 'UTC') AS at,
    u % 5 = 0 AND at_ms < {from_ms:Int64} + toInt64({days:UInt32}) * 28800000 AS is_anonymous,
    concat('q', lower(hex(n)), lower(hex(sipHash64(n, 3)))) AS id,
    concat('a', leftPad(toString(u), 20, '0')) AS anonymous,
    concat('o', leftPad(toString(u), 27, '0')) AS open,
    sipHash64(n, 4) % 100 AS mix,
    sipHash64(n, 5) AS chance
SELECT
    {project:String},
    {app_id:String},
    'wechat',
    multiIf(place = 0, 'app_show', place = 7 AND shares, 'share', mix < 44, 'page_view', mix < 79, 'product_view', mix < 91, 'add_to_cart',
            mix < 96, 'order_submit', 'order_pay'),
    id,
    xxh3(concat({app_id:String}, '\x1f', id)),
    if(is_anonymous,
       xxh3(concat({project:String}, '\x1fanonymous_id\x1f', {app_id:String}, '\x1f', anonymous)),
       xxh3(concat({project:String}, '\x1fopenid\x1f', {app_id:String}, '\x1f', open))),
    at,
    at,
    at,
    at,
    toUInt64(9223372036854775808 - at_ms),
    'ok',
    toUInt32(place),
    lower(hex(sipHash64(visit, 6))),
    anonymous,
    if(is_anonymous, '', open),
    if(parent != '', ['1007', '1044', '1008'], ['1089', '1001', '1005', '1011', '1047', '1035'])[
        sipHash64(visit, 7) % if(parent != '', 3, 6) + 1],
    ['pages/home/index', 'pages/goods/detail', 'pages/cart/index'][chance % 3 + 1],
    if(place = 0, parent, ''),
    if(place = 0 AND parent != '', concat('g', toString(u % 1000)), ''),
    ['Apple', 'HUAWEI', 'Xiaomi', 'OPPO', 'vivo'][u % 5 + 1],
    ['iOS', 'Android', 'HarmonyOS'][u % 3 + 1],
    '3.2.0',
    if(place = 7 AND shares,
       map('share_id', concat('s', toString(card)), 'parent_share_id', parent, 'share_channel', ['friend', 'group'][chance % 2 + 1]),
       map('city', ['北京', '上海', '广州', '深圳', '杭州', '成都'][u % 6 + 1], 'sku', concat('SY-', toString(chance % 500)))),
    map('price', toFloat64(chance % 20000) / 100)
FROM numbers_mt({first:UInt64}, {rows:UInt64})
SETTINGS
    max_insert_threads = 2,
    max_insert_block_size = 1048576,
    min_insert_block_size_rows = 1048576,
    min_insert_block_size_bytes = 0
