-- share.delays: time from a sharer's opening of a card to the card shared from there.  Caller: query_api/share.py answer()
-- Params: those of share.with
-- Rows:   one: reshares (cards of the range below a known card), opened_before (those whose sharer had opened that card),
--         median_ms, p90_ms, average_ms Float64,
--         active_users UInt64 (with an app_launch or app_show in the range)
SELECT
    count() AS reshares,
    countIf(isNotNull(delay_ms)) AS opened_before,
    quantileExactInclusive(0.5)(delay_ms) AS median_ms,
    quantileExactInclusive(0.9)(delay_ms) AS p90_ms,
    avg(delay_ms) AS average_ms,
    (SELECT uniqExact(user) FROM openings WHERE last_any_ms >= {range_from_ms:Int64}) AS active_users
FROM
(
    SELECT
        if(
            arrayExists(at -> at <= (shared.shared_ms, shared.seq, shared.event_id), opened.times),
            shared.shared_ms - arrayLast(at -> at <= (shared.shared_ms, shared.seq, shared.event_id), opened.times).1,
            NULL
        ) AS delay_ms
    FROM
    (
        SELECT
            up,
            sharer,
            shared_ms,
            seq,
            event_id
        FROM forest
        WHERE up != 0
            AND matches
            AND shared_ms >= {range_from_ms:Int64}
            AND shared_ms < {range_to_ms:Int64}
    ) AS shared
    LEFT JOIN
    (
        SELECT
            user,
            card,
            arraySort(groupArray(opened)) AS times
        FROM opens
        WHERE state = 0
        GROUP BY
            user,
            card
    ) AS opened ON shared.sharer = opened.user AND shared.up = opened.card
)
