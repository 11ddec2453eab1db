-- share.pairs: who opened a card of certain sharers, or one below such a card.  Caller: query_api/share.py
-- Params: range_from_ms Int64; CTEs opens, paths (share.paths); fragment among (a condition on `sharer`)
-- Rows:   user, sharer UInt64; a pair may stand several times
-- Source: the sharer is none of the own descendants.
SELECT
    user,
    sharer
FROM
(
    SELECT
        opened.user AS user,
        arrayJoin(above.chosen) AS sharer
    FROM opens AS opened
    INNER JOIN
    (
        SELECT
            card,
            arrayFilter(sharer -> {{among}}, path) AS chosen
        FROM paths
        WHERE notEmpty(chosen)
    ) AS above ON opened.card = above.card
    WHERE opened.state = 0
        AND opened.matches
        AND opened.opened_ms >= {range_from_ms:Int64}
)
WHERE sharer != user
