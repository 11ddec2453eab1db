-- interval.measures: users, pairs and times of every bucket, and of all together.  Caller: query_api/interval.py _counted()
-- Params: those of interval.pairs; edges Array(Int64) ascending (ms); fragment pairs (with per_user.shown)
-- Rows:   bucket_ms Int64 (0: the whole range), key String (packed), slot UInt16 (0: all together; n: from the edge n on), users,
--         pairs UInt64, gap_sum Int64, least, most Int64, quantiles Array(Float64) (10, 25, 50, 75, 90 %), undecided UInt8 (of any:
--         then the numbers do not hold)
-- Source: one pass; percentiles exact, interpolated between neighbours.
SELECT
    bucket_ms,
    key,
    slot,
    uniqExact(user) AS users,
    count() AS pairs,
    sum(gap_ms) AS gap_sum,
    min(gap_ms) AS least,
    max(gap_ms) AS most,
    quantilesExactInclusive(0.1, 0.25, 0.5, 0.75, 0.9)(gap_ms) AS quantiles,
    max(undecided) AS undecided
FROM
(
    SELECT
        *,
        toUInt16(arrayCount(edge -> edge <= gap_ms, {edges:Array(Int64)})) AS slot
    FROM
    (
        {{pairs}}
    )
)
GROUP BY GROUPING SETS
(
    (bucket_ms, key, slot),
    (bucket_ms, key),
    (key, slot),
    (key)
)
SETTINGS enable_materialized_cte = 1
