-- share.cascade: a card and all cards below it.  Caller: query_api/share.py _cascade()
-- Params: those of share.with; root String (a share_id), cascade_limit UInt32; CTE below (share.below)
-- Rows:   app_id, share_id, parent_share_id String, depth UInt32, sharer UInt64, shared_ms Int64, page, channel String, opens,
--         openers, new_users, conversions UInt64, revenue Float64, cards UInt64 (all of the cascade)
SELECT
    forest.app_id AS app_id,
    forest.share_id AS share_id,
    if(forest.up = 0, '', forest.parent_share_id) AS parent_share_id,
    forest.depth AS depth,
    forest.sharer AS sharer,
    forest.shared_ms AS shared_ms,
    forest.page AS page,
    forest.channel AS channel,
    numbers.opens AS opens,
    numbers.openers AS openers,
    numbers.new_users AS new_users,
    numbers.conversions AS conversions,
    numbers.revenue AS revenue,
    count() OVER () AS cards
FROM forest
INNER JOIN below ON forest.card = below.card
LEFT JOIN
(
    SELECT
        card,
        countIf(kind = 2) AS opens,
        uniqExactIf(user, kind = 2) AS openers,
        uniqExactIf(user, kind = 2 AND is_new) AS new_users,
        countIf(kind = 3) AS conversions,
        {{exact_sum(amount, kind = 3)}} AS revenue
    FROM facts
    WHERE kind IN (2, 3)
    GROUP BY card
) AS numbers ON forest.card = numbers.card
ORDER BY
    depth,
    shared_ms,
    share_id,
    app_id
LIMIT {cascade_limit:UInt32}
