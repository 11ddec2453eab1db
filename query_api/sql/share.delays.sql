-- share.delays: time from a sharer's opening of a card to the card shared from there.  Caller: query_api/share.py answer()
-- Params: those of share.with
-- Rows:   one: reshares (cards of the range below a known card), opened_before (those whose sharer had opened that card),
--         median_ms, p90_ms, average_ms Float64, active_users UInt64 (with an app_launch or app_show in the range)
SELECT
    count() AS reshares,
    countIf(opened_ms > 0) AS opened_before,
    quantileExactInclusiveIf(0.5)(shared_ms - opened_ms, opened_ms > 0) AS median_ms,
    quantileExactInclusiveIf(0.9)(shared_ms - opened_ms, opened_ms > 0) AS p90_ms,
    avgIf(shared_ms - opened_ms, opened_ms > 0) AS average_ms,
    (SELECT count() FROM openings WHERE last_ms >= {range_from_ms:Int64}) AS active_users
FROM
(
    SELECT
        reshared.card AS card,
        any(reshared.shared_ms) AS shared_ms,
        maxIf(opened.opened_ms, opened.state = 0 AND opened.opened <= reshared.shared) AS opened_ms
    FROM
    (
        SELECT
            card,
            up,
            sharer,
            shared_ms,
            shared
        FROM forest
        WHERE up != 0
            AND matches
            AND shared_ms >= {range_from_ms:Int64}
            AND shared_ms < {range_to_ms:Int64}
    ) AS reshared
    LEFT JOIN opens AS opened ON reshared.sharer = opened.user AND reshared.up = opened.card
    GROUP BY card
)
