-- queries.window_funnel: the funnel as one writes it by hand.  Caller: loadtest/queries.py
-- Params: app_id String; from_ms/to_ms Int64; names Array(String), three steps in order
-- Rows:   one per level reached: level UInt8, users UInt64
-- Source: windowFunnel; persons joined as the query API joins them. It has neither step times nor declared ties
SELECT
    level,
    count() AS users
FROM
(
    SELECT
        windowFunnel(86400000)(
            at,
            event = {names:Array(String)}[1],
            event = {names:Array(String)}[2],
            event = {names:Array(String)}[3]
        ) AS level
    FROM
    (
        SELECT
            if(m.person != 0, m.person, e.actor) AS user,
            toUInt64(toUnixTimestamp64Milli(e.occurred_at)) AS at,
            e.event AS event
        FROM events AS e FINAL
        ANY LEFT JOIN (SELECT id_key, person FROM identity_map FINAL) AS m ON m.id_key = e.actor
        WHERE e.app_id = {app_id:String}
          AND e.event IN {names:Array(String)}
          AND e.occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
          AND e.occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    )
    GROUP BY user
)
GROUP BY level
ORDER BY level
LIMIT 10
SETTINGS do_not_merge_across_partitions_select_final = 1
