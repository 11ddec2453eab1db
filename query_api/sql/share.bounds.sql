-- share.bounds: how many openings lie below each sharer at most: a user counts once for each card.  Caller: query_api/share.py
-- Params: range_from_ms Int64; CTEs opens, paths (share.paths)
-- Rows:   sharer, bound UInt64: no fewer than the distinct openers, and never 0
-- Source: the sharer is none of the own descendants; who opened only cards below the own has none.
SELECT
    sharer,
    sum(openers - has(own, sharer)) AS bound
FROM
(
    SELECT
        arrayJoin(above.path) AS sharer,
        length(opened.users) AS openers,
        arrayIntersect(above.path, opened.users) AS own
    FROM
    (
        SELECT
            card,
            groupUniqArray(user) AS users
        FROM opens
        WHERE state = 0
            AND matches
            AND opened_ms >= {range_from_ms:Int64}
        GROUP BY card
    ) AS opened
    INNER JOIN paths AS above ON opened.card = above.card
)
GROUP BY sharer
HAVING bound > 0
