-- stickiness.active: in how many units a user was active, in each period.  Caller: query_api/stickiness.py _active()
-- Params: starts, unit_starts Array(Int64) (epoch ms of periods and units), min_count UInt32; fragments source, event_key
--         and key_order (of an event), unit_key (of a unit), first_key (of a user),
--         folded (of key)
-- Rows:   user UInt64, bucket_ms Int64 (start of the period), units UInt64 (from 1), key String (packed); each
--         (user, bucket_ms) at most once, so that counting rows counts users
-- Source: one pass over events.
SELECT
    user,
    bucket_ms,
    units,
    {{folded}} AS key
FROM
(
    SELECT
        user,
        bucket_ms,
        count() AS units,
        {{first_key}} AS key
    FROM
    (
        SELECT
            user,
            bucket_ms,
            unit_ms,
            {{unit_key}} AS unit_key,
            min(key_order) AS unit_order
        FROM
        (
            SELECT
                user,
                toUnixTimestamp64Milli(occurred_at) AS at_ms,
                roundDown(at_ms, {starts:Array(Int64)}) AS bucket_ms,
                roundDown(at_ms, {unit_starts:Array(Int64)}) AS unit_ms,
                {{event_key}} AS event_key,
                {{key_order}} AS key_order
            FROM
            (
                {{source}}
            )
        )
        GROUP BY
            user,
            bucket_ms,
            unit_ms
        HAVING count() >= {min_count:UInt32}
    )
    GROUP BY
        user,
        bucket_ms
)
