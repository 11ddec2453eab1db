-- report.data_complete_until: arrival of the newest event.  Caller: query_api/report.py data_complete_until()
-- Params: app_ids Array(String)
-- Rows:   one; received_ms Nullable(Int64): epoch ms, NULL without events
-- Source: max over all rows; duplicates do not change a maximum, so no FINAL.
SELECT
    maxOrNull(toUnixTimestamp64Milli(received_at)) AS received_ms
FROM events
WHERE app_id IN {app_ids:Array(String)}
