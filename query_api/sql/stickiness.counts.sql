-- stickiness.counts: users by number of active units.  Caller: query_api/stickiness.py answer()
-- Params: those of stickiness.active; fragment active
-- Rows:   bucket_ms Int64, key String (packed), units UInt64, users UInt64; numbers without users are absent
-- Source: each row of stickiness.active is one user.
SELECT
    bucket_ms,
    key,
    units,
    count() AS users
FROM
(
    {{active}}
)
GROUP BY
    bucket_ms,
    key,
    units
