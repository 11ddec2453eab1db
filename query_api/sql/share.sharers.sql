-- share.sharers: the sharers with the most descendant openers.  Caller: query_api/share.py _sharers()
-- Params: those of share.with; candidates, sharer_limit UInt32; fragment pairs (share.pairs)
-- Rows:   sharer UInt64, shares, direct_opens, direct_openers, new_users, conversions UInt64, revenue Float64,
--         descendant_openers UInt64, sharers UInt64 (all there are), beyond UInt64 (no sharer that is not a candidate has more)
-- Source: distinct openers are counted only for the sharers with the most pairs, since share.bounds bounds them from
--         above.
SELECT
    sharer,
    sum(shares) AS shares,
    sum(direct_opens) AS direct_opens,
    sum(direct_openers) AS direct_openers,
    sum(new_users) AS new_users,
    sum(conversions) AS conversions,
    sum(revenue) AS revenue,
    sum(descendant_openers) AS descendant_openers,
    count() OVER () AS sharers,
    (SELECT max(bound) FROM bounds WHERE sharer NOT IN (SELECT sharer FROM candidates)) AS beyond
FROM
(
    SELECT
        sharer,
        countIf(kind = 1) AS shares,
        countIf(kind = 2) AS direct_opens,
        uniqExactIf(user, kind = 2) AS direct_openers,
        uniqExactIf(user, kind = 2 AND is_new) AS new_users,
        countIf(kind = 3) AS conversions,
        {{exact_sum(amount, kind = 3)}} AS revenue,
        toUInt64(0) AS descendant_openers
    FROM facts
    WHERE kind <= 3
    GROUP BY sharer
    UNION ALL
    SELECT
        sharer,
        0,
        0,
        0,
        0,
        0,
        0,
        uniqExact(user)
    FROM
    (
        {{pairs}}
    )
    GROUP BY sharer
    UNION ALL
    SELECT
        sharer,
        0,
        0,
        0,
        0,
        0,
        0,
        0
    FROM bounds
)
GROUP BY sharer
ORDER BY
    descendant_openers DESC,
    direct_openers DESC,
    shares DESC,
    sharer
LIMIT {sharer_limit:UInt32}
