-- verify.count_by_body: what is stored of each body of one run, as every report sees it.  Caller: loadtest/verify.py
-- Params: app_id String; run String; prefix_chars UInt8, length of "<run>-"
-- Rows:   body UInt32, events UInt32 (rows), ids UInt32 (different event_ids)
-- Source: event_id is "<run>-<body, 8 hex digits>-<place>", see loadtest/generate.py
SELECT
    reinterpretAsUInt32(reverse(unhex(substring(event_id, {prefix_chars:UInt8} + 1, 8)))) AS body,
    toUInt32(count()) AS events,
    toUInt32(uniqExact(event_id)) AS ids
FROM events FINAL
WHERE app_id = {app_id:String}
  AND startsWith(event_id, concat({run:String}, '-'))
GROUP BY body
ORDER BY body
SETTINGS do_not_merge_across_partitions_select_final = 1
