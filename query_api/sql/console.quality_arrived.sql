-- console.quality_arrived: what arrived, by app: lag, clocks, ids, copies.  Caller: query_api/console/arrivals.py quality()
-- Params: app_ids Array(String), since_ms Int64 (arrival)
-- Rows:   one per app: events, copies UInt64, newest_ms Int64, lag_ms Array(Float64) of p50, p90, p99, counts by clock and id
-- Source: no FINAL, so that the copies that have not been merged yet are seen.
SELECT
    app_id,
    uniqExact(event_key) AS events,
    count() - events AS copies,
    max(toUnixTimestamp64Milli(received_at)) AS newest_ms,
    quantiles(0.5, 0.9, 0.99)(
        greatest(0, toUnixTimestamp64Milli(received_at) - toUnixTimestamp64Milli(occurred_at))
    ) AS lag_ms,
    countIf(clock = 'shifted') AS clock_shifted,
    countIf(clock = 'future') AS clock_future,
    countIf(user_id != '') AS with_user_id,
    countIf(user_id = '' AND (unionid != '' OR openid != '')) AS with_openid,
    countIf(user_id = '' AND unionid = '' AND openid = '') AS anonymous_only,
    countIf(scene = '' AND event IN ('app_launch', 'app_show')) AS entries_without_scene
FROM events
WHERE app_id IN {app_ids:Array(String)}
    AND received_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
GROUP BY app_id
ORDER BY
    events DESC,
    app_id
LIMIT 1000
