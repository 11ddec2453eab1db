-- layers.flow: every user's leaf at two dates.  Caller: query_api/layers/__init__.py _flow()
-- Params: fragments before, after (rules.leaves at the two dates)
-- Rows:   user UInt64; from_leaf, to_leaf UInt16 (0: not seen by then); each user once
-- Source: each side has each user at most once, so the maximum is that one.
SELECT
    user,
    maxIf(leaf, side = 1) AS from_leaf,
    maxIf(leaf, side = 2) AS to_leaf
FROM
(
    SELECT user, leaf, 1 AS side
    FROM
    (
        {{before}}
    )
    UNION ALL
    SELECT user, leaf, 2 AS side
    FROM
    (
        {{after}}
    )
)
GROUP BY user
