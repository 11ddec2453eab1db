-- share.bounds: how many openings lie below each sharer at most: a user counts once for each card.  Caller: query_api/share.py
-- Params: range_from_ms Int64; CTEs opens, paths (share.paths)
-- Rows:   sharer, bound UInt64: no fewer than the distinct openers
SELECT
    arrayJoin(above.path) AS sharer,
    sum(opened.openers) AS bound
FROM
(
    SELECT
        card,
        uniqExact(user) AS openers
    FROM opens
    WHERE state = 0
        AND matches
        AND opened_ms >= {range_from_ms:Int64}
    GROUP BY card
) AS opened
INNER JOIN paths AS above ON opened.card = above.card
GROUP BY sharer
