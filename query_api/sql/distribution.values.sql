-- distribution.values: each user's value in each period, with its bucket.  Caller: query_api/distribution.py _values()
-- Params: starts, unit_starts Array(Int64) (epoch ms of periods and of days or hours), edges Array(Float64) ascending; fragment of_users
--         (distribution.of_users or of_users_by_actor)
-- Rows:   user UInt64, bucket_ms Int64 (start of the period), value Float64, bucket UInt16 (1: below the first edge, n: from
--         the edge n - 1 on), extra_events UInt64, extra_sum Float64, key String (packed); each (user, bucket_ms) at most once
SELECT
    user,
    bucket_ms,
    value,
    toUInt16(1 + arrayCount(edge -> edge <= value, {edges:Array(Float64)})) AS bucket,
    extra_events,
    extra_sum,
    key
FROM
(
    {{of_users}}
)
