-- queries.one_pass_retention: retention as one writes it by hand, one pass over the events.  Caller: loadtest/queries.py
-- Params: app_id String; from_ms/to_ms Int64; names Array(String), one event
-- Rows:   one per first day and day after it: cohort Date, day UInt16, users UInt64
-- Source: days of each user as a set, then the differences to the first
SELECT
    cohort,
    day,
    count() AS users
FROM
(
    SELECT
        arrayMin(days) AS cohort,
        arrayJoin(arrayFilter(after -> after <= 7, arrayMap(d -> toUInt16(d - cohort), days))) AS day
    FROM
    (
        SELECT
            if(m.person != 0, m.person, e.actor) AS user,
            groupUniqArray(toDate(e.occurred_at, 'Asia/Shanghai')) AS days
        FROM events AS e FINAL
        ANY LEFT JOIN (SELECT id_key, person FROM identity_map FINAL) AS m ON m.id_key = e.actor
        WHERE e.app_id = {app_id:String}
          AND e.event IN {names:Array(String)}
          AND e.occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
          AND e.occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        GROUP BY user
    )
)
GROUP BY cohort, day
ORDER BY cohort, day
LIMIT 1000
SETTINGS do_not_merge_across_partitions_select_final = 1
