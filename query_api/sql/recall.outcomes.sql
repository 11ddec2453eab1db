-- recall.outcomes: what became of each person of a campaign.  Caller: query_api/recall.py _outcomes()
-- Params: those of recall.persons; window_ms, now_ms Int64; fragments persons (recall.persons), sendings (recall.sendings), opened,
--         active, converted (conditions), amount (a number), source (events from the range's start to the window after its end)
-- Rows:   campaign String, user UInt64, each pair once; arm String, sent_ms Int64, messages UInt64; delivered, delivery_unknown, opened,
--         active, converted, both_arms, window_ended UInt8; conversions UInt64, conversion_value Float64
-- Source: an event counts for a campaign from the person's time on up to the window's end, both included.
SELECT
    p.campaign AS campaign,
    p.user AS user,
    p.arm_of_first AS arm,
    p.first_sent_ms AS sent_ms,
    p.messages AS messages,
    p.was_delivered AND p.arm_of_first = 'treated' AS delivered,
    p.says_nothing AND p.arm_of_first = 'treated' AS delivery_unknown,
    d.has_opened AS opened,
    d.was_active AS active,
    d.conversions > 0 AS converted,
    d.conversions AS conversions,
    d.amount AS conversion_value,
    p.both_arms AS both_arms,
    p.first_sent_ms + {window_ms:Int64} < {now_ms:Int64} AS window_ended
FROM
(
    {{persons}}
) AS p
ANY LEFT JOIN
(
    SELECT
        user,
        sending.1 AS campaign,
        max(is_opening) AS has_opened,
        max(is_activity) AS was_active,
        countIf(is_conversion) AS conversions,
        {{exact_sum(amount, is_conversion)}} AS amount
    FROM
    (
        SELECT
            e.user AS user,
            e.is_opening AS is_opening,
            e.is_activity AS is_activity,
            e.is_conversion AS is_conversion,
            e.amount AS amount,
            arrayJoin(
                arrayFilter(
                    sending -> e.at_ms >= sending.2 AND e.at_ms <= sending.2 + {window_ms:Int64},
                    s.sendings
                )
            ) AS sending
        FROM
        (
            SELECT
                user,
                toUnixTimestamp64Milli(occurred_at) AS at_ms,
                toBool({{opened}}) AS is_opening,
                toBool({{active}}) AS is_activity,
                toBool({{converted}}) AS is_conversion,
                toFloat64({{amount}}) AS amount
            FROM
            (
                {{source}}
            )
        ) AS e
        INNER JOIN
        (
            {{sendings}}
        ) AS s ON e.user = s.user
    )
    GROUP BY
        user,
        campaign
) AS d ON p.user = d.user AND p.campaign = d.campaign
