-- identity_cost.funnel: a funnel of three steps within a day, with one way to find persons.  Caller: loadtest/identity_cost.py
-- Params: app_id String; from_ms, to_ms Int64; fragments person (the person of an event), persons (a join), settings
-- Rows:   one per level reached: level UInt8, users UInt64
-- Source: windowFunnel over what query_api/sql/source.events_latest.sql reads
SELECT
    level,
    count() AS users
FROM
(
    SELECT
        windowFunnel(86400000)(at, event = 'product_view', event = 'add_to_cart', event = 'order_pay') AS level
    FROM
    (
        SELECT
            {{person}} AS user,
            toUInt64(toUnixTimestamp64Milli(e.occurred_at)) AS at,
            e.event AS event
        FROM events AS e FINAL
        {{persons}}
        WHERE e.app_id = {app_id:String}
            AND e.occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
            AND e.occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    )
    GROUP BY user
)
GROUP BY level
ORDER BY level
SETTINGS do_not_merge_across_partitions_select_final = 1{{settings}}
