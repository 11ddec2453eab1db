-- report.data_complete_until: arrival of the newest event.  Caller: query_api/report.py data_complete_until()
-- Params: app_ids Array(String)
-- Rows:   one; received_ms Nullable(Int64): epoch ms, NULL without events
-- Source: arrivals, a maximum per app that ClickHouse keeps; a duplicate that arrived later counts as arrived.
SELECT
    maxOrNull(toUnixTimestamp64Milli(received_at)) AS received_ms
FROM arrivals
WHERE app_id IN {app_ids:Array(String)}
