-- share.facts: what is counted: shares, opens and conversions in the range.  Caller: query_api/share_sql.py
-- Params: range_from_ms, range_to_ms Int64 (epoch ms, end exclusive)
-- Rows:   kind UInt8 (1 share, 2 open, 3 conversion, 4 open by the sharer, 5 open of no known card), user, card, sharer UInt64,
--         depth UInt32, page, channel, group_id String, key Array(String), at_ms Int64, is_new Bool, amount Float64
-- Source: only cards whose share event passes the filter, but depths are those of the whole forest.
SELECT
    toUInt8(1) AS kind,
    sharer AS user,
    card,
    sharer,
    depth,
    page,
    channel,
    '' AS group_id,
    key,
    shared_ms AS at_ms,
    false AS is_new,
    toFloat64(0) AS amount
FROM forest
WHERE matches
    AND shared_ms >= {range_from_ms:Int64}
    AND shared_ms < {range_to_ms:Int64}
UNION ALL
SELECT
    transform(state, [0, 1], [toUInt8(2), toUInt8(4)], toUInt8(5)) AS kind,
    user,
    card,
    sharer,
    depth,
    page,
    channel,
    group_id,
    key,
    opened_ms AS at_ms,
    toBool(is_new) AS is_new,
    toFloat64(0) AS amount
FROM opens
WHERE (matches OR state = 2)
    AND opened_ms >= {range_from_ms:Int64}
UNION ALL
SELECT
    toUInt8(3) AS kind,
    user,
    due.1 AS card,
    due.5 AS sharer,
    due.6 AS depth,
    due.7 AS page,
    due.8 AS channel,
    due.2 AS group_id,
    due.9 AS key,
    at_ms,
    false AS is_new,
    value AS amount
FROM conversions
WHERE due.10
