-- queries.floor: the least a report must do: read user and time of its events, copies collapsed.  Caller: loadtest/queries.py
-- Params: app_id String; from_ms/to_ms Int64, epoch ms, end exclusive; names Array(String)
-- Rows:   one: events UInt64, checksum UInt64
-- Source: the same filter and FINAL as the reports have
SELECT
    count() AS events,
    sum(bitXor(actor, toUInt64(toUnixTimestamp64Milli(occurred_at)))) AS checksum
FROM events FINAL
WHERE app_id = {app_id:String}
  AND event IN {names:Array(String)}
  AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
LIMIT 1
SETTINGS do_not_merge_across_partitions_select_final = 1
