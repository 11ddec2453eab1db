-- share.facts: what the report is counted from, beside the cards, as arrays.  Caller: query_api/share_sql.py facts()
-- Params: range_from_ms Int64; tables given, reshared; fragments openings, opens, conversions, delays
-- Rows:   part UInt8; numbers Array(Array(UInt64)), of one length within a part; named Array of (siphash UInt64, text): group_ids
--         1 opens of the range: user, card, epoch ms, siphash of group_id, state + 4 if new
--         2 conversions: user, card, epoch ms, siphash of group_id, value (bits of a Float64)
--         3 reshares: card, epoch ms, epoch ms of the opening before; named: (card, hex of the tied opening); 4 one: users with an app_launch or app_show in the range
-- Source: a CTE that is read more than once is computed once (enable_materialized_cte). What follows is arithmetic over integers:
--         share_counts.py does it in a fifth of the time.
SELECT *
FROM
(
    WITH
    openings AS MATERIALIZED
    (
        {{openings}}
    ),
    opens AS MATERIALIZED
    (
        {{opens}}
    )
    SELECT
        toUInt8(1) AS part,
        [
            groupArray(user),
            groupArray(card),
            groupArray(toUInt64(opened_ms)),
            groupArray(sipHash64(group_id)),
            groupArray(toUInt64(state + 4 * is_new))
        ] AS numbers,
        arrayMap(text -> (sipHash64(text), text), groupUniqArray(group_id)) AS named
    FROM opens
    WHERE opened_ms >= {range_from_ms:Int64}
    UNION ALL
    SELECT
        toUInt8(2),
        [
            groupArray(user),
            groupArray(card),
            groupArray(toUInt64(at_ms)),
            groupArray(sipHash64(group_id)),
            groupArray(reinterpretAsUInt64(value))
        ],
        arrayMap(text -> (sipHash64(text), text), groupUniqArray(group_id))
    FROM
    (
        {{conversions}}
    )
    UNION ALL
    SELECT
        toUInt8(3),
        [groupArray(card), groupArray(shared_ms), groupArray(toUInt64(opened_ms))],
        groupArrayIf((card, hex(tied)), tied != '')
    FROM
    (
        {{delays}}
    )
    UNION ALL
    SELECT
        toUInt8(4),
        [[countIf(last_ms >= {range_from_ms:Int64})]],
        []
    FROM openings
)
SETTINGS enable_materialized_cte = 1
