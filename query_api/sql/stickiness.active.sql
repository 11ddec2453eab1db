-- stickiness.active: in how many units a user was active, in each period.  Caller: query_api/stickiness.py _active()
-- Params: min_count UInt32; fragments parts (stickiness.parts, or a name of it), unit_key (of a unit), first_key (of a user)
-- Rows:   user UInt64, bucket UInt16 (number of the period), units UInt64 (from 1), key String (packed); each
--         (user, bucket) at most once, so that counting rows counts users
SELECT
    user,
    bucket,
    units,
    key
FROM
(
    SELECT
        user,
        bucket,
        count() AS units,
        {{first_key}} AS key
    FROM
    (
        SELECT
            user,
            bucket,
            unit,
            {{unit_key}} AS unit_key,
            min(part_order) AS unit_order
        FROM {{parts}}
        WHERE bucket != 0
        GROUP BY
            user,
            bucket,
            unit
        HAVING sum(events) >= {min_count:UInt32}
    )
    GROUP BY
        user,
        bucket
)
