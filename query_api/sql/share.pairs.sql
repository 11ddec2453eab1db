-- share.pairs: who opened a card of a sharer, or one below such a card.  Caller: query_api/share_sql.py
-- Params: range_from_ms Int64; CTE paths (share.paths)
-- Rows:   user, sharer UInt64; a pair may stand several times
-- Source: the sharer is none of the own descendants.
SELECT
    user,
    sharer
FROM
(
    SELECT
        opened.user AS user,
        arrayJoin(above.path) AS sharer
    FROM
    (
        SELECT DISTINCT
            user,
            card
        FROM opens
        WHERE state = 0
            AND matches
            AND opened_ms >= {range_from_ms:Int64}
    ) AS opened
    INNER JOIN paths AS above ON opened.card = above.card
)
WHERE sharer != user
