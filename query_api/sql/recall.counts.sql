-- recall.counts: persons of each campaign, row of the breakdown and arm.  Caller: query_api/recall.py _counted()
-- Params: those of recall.outcomes; max_rows UInt32 (of two arms each); fragments outcomes (by per_user.shown), conversion_value (sums.sum_of_parts_sql)
-- Rows:   campaign, key, arm String; sent, messages, delivered, delivery_unknown, opened, active, converted, conversions, both_arms,
--         window_ended UInt64; conversion_value Float64. The newest campaigns first
SELECT
    campaign,
    key,
    arm,
    count() AS sent,
    sum(o.messages) AS messages,
    countIf(o.delivered) AS delivered,
    countIf(o.delivery_unknown) AS delivery_unknown,
    countIf(o.opened) AS opened,
    countIf(o.active) AS active,
    countIf(o.converted) AS converted,
    sum(o.conversions) AS conversions,
    {{conversion_value}} AS conversion_value,
    countIf(o.both_arms) AS both_arms,
    countIf(o.window_ended) AS window_ended,
    max(max(o.sent_ms)) OVER (PARTITION BY campaign) AS latest_ms
FROM
(
    {{outcomes}}
) AS o
GROUP BY
    campaign,
    key,
    arm
ORDER BY
    latest_ms DESC,
    campaign,
    key,
    arm
LIMIT {max_rows:UInt32}
SETTINGS enable_materialized_cte = 1
