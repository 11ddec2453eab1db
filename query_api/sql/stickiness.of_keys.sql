-- stickiness.of_keys: users by number of active units, by all keys.  Caller: query_api/stickiness.py _counted()
-- Params: those of stickiness.active; fragment active
-- Rows:   bucket UInt16, key String (packed), units, users UInt64
-- Source: each row of stickiness.active is one user.
SELECT
    bucket,
    key,
    units,
    count() AS users
FROM
(
    {{active}}
)
GROUP BY
    bucket,
    key,
    units
