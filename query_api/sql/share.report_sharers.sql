-- share.report_sharers: the part of share.report about sharers.  Caller: query_api/share.py _counted()
-- Params: those of share.sharers; fragment sharers
-- Rows:   as share.report
UNION ALL
SELECT
    toUInt8(2),
    '',
    emptyArrayString(),
    sharer,
    [
        shares, direct_opens, direct_openers, descendant_openers, new_users, conversions, sharers, ifNull(beyond, 0)
    ],
    [revenue]
FROM
(
    {{sharers}}
)
