-- verify.count_rows: rows of one run before and after collapsing duplicates.  Caller: loadtest/verify.py
-- Params: app_id String; run String
-- Rows:   one: events UInt64 (different event_ids), stored UInt64 (rows as they lie on disk)
-- Source: ReplacingMergeTree keeps copies until it merges
SELECT
    uniqExact(event_key) AS events,
    count() AS stored
FROM events
WHERE app_id = {app_id:String}
  AND startsWith(event_id, concat({run:String}, '-'))
LIMIT 1
