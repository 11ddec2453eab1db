-- recall.outcomes: what became of each person of a campaign, with the person's row of the breakdown.
-- Caller: query_api/recall.py _outcomes()
-- Params: those of recall.persons; window_ms, now_ms Int64; fragments persons (recall.persons), collected (of each user and campaign
--         what recall.happened and recall.value make of events), key (packed; over d), amounts (columns of d: sums.partial_sum_sql)
-- Rows:   campaign String, user UInt64, each pair once; arm, key String, sent_ms Int64, messages UInt64; delivered, delivery_unknown, opened,
--         active, converted, both_arms, window_ended UInt8; conversions UInt64, and the sum of their amounts in parts
-- Source: the value of the breakdown is that of the person's last event at or before its time that has any of the fields: what was
--         known when the message went out, the same for both arms.
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
    {{amounts}},
    p.both_arms AS both_arms,
    p.first_sent_ms + {window_ms:Int64} < {now_ms:Int64} AS window_ended,
    {{key}} AS key
FROM
(
    {{persons}}
) AS p
ANY LEFT JOIN
(
    {{collected}}
) AS d ON p.user = d.user AND p.campaign = d.campaign
