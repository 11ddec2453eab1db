-- recall.outcomes: what became of each person of a campaign.  Caller: query_api/recall.py _outcomes()
-- Params: those of recall.persons; window_ms, now_ms Int64; fragments persons (recall.persons), sendings (recall.sendings), collected
--         (of each user moments: recall.happened of the events from the range's start to the window after its end)
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
            user,
            bitTest(moment.1, 0) AS is_opening,
            bitTest(moment.1, 1) AS is_activity,
            bitTest(moment.1, 2) AS is_conversion,
            moment.2 AS amount,
            toInt64(bitShiftRight(moment.1, 3)) AS at_ms,
            arrayJoin(
                arrayFilter(
                    sending -> at_ms >= sending.2 AND at_ms <= sending.2 + {window_ms:Int64},
                    sendings
                )
            ) AS sending
        FROM
        (
            SELECT
                e.user AS user,
                arrayJoin(e.moments) AS moment,
                s.sendings AS sendings
            FROM
            (
                {{collected}}
            ) AS e
            INNER JOIN
            (
                {{sendings}}
            ) AS s ON e.user = s.user
        )
    )
    GROUP BY
        user,
        campaign
) AS d ON p.user = d.user AND p.campaign = d.campaign
