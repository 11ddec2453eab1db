-- share.report: the rows of share.counts, share.sharers and share.delays in one statement, so that they share what they are counted
--         from.  Caller: query_api/share.py _counted()
-- Params: those of the parts; fragments counts, sharers, delays
-- Rows:   part UInt8 (1 counts, 2 sharers, 3 delays), dimension String, value Array(String), sharer UInt64, counts Array(UInt64),
--         numbers Array(Float64): the other columns of the part in their order, integers and floats apart
SELECT
    toUInt8(1) AS part,
    dimension,
    value,
    toUInt64(0) AS sharer,
    [
        shares, sharers, opens, openers, new_users, conversions, converters, own_opens, unknown_opens, unknown_share_ids
    ] AS counts,
    [revenue] AS numbers
FROM
(
    {{counts}}
)
{{sharers}}
UNION ALL
SELECT
    toUInt8(3),
    '',
    emptyArrayString(),
    toUInt64(0),
    [reshares, opened_before, assumeNotNull(active_users)],
    [median_ms, p90_ms, average_ms]
FROM
(
    {{delays}}
)
