-- share.counts: every number of every row.  Caller: query_api/share.py answer()
-- Params: those of share.with; fragment dimensions
-- Rows:   dimension String, value Array(String), shares, sharers, opens, openers, new_users, conversions, converters UInt64,
--         revenue Float64, own_opens, unknown_opens, unknown_share_ids UInt64
SELECT
    place.1 AS dimension,
    place.2 AS value,
    countIf(kind = 1) AS shares,
    uniqExactIf(user, kind = 1) AS sharers,
    countIf(kind = 2) AS opens,
    uniqExactIf(user, kind = 2) AS openers,
    uniqExactIf(user, kind = 2 AND is_new) AS new_users,
    countIf(kind = 3) AS conversions,
    uniqExactIf(user, kind = 3) AS converters,
    {{exact_sum(amount, kind = 3)}} AS revenue,
    countIf(kind = 4) AS own_opens,
    countIf(kind = 5) AS unknown_opens,
    uniqExactIf(card, kind = 5) AS unknown_share_ids
FROM
(
    SELECT
        *,
        arrayJoin({{dimensions}}) AS place
    FROM facts
)
GROUP BY
    dimension,
    value
