-- event_schema.events: every event name seen.  Caller: query_api/event_schema.py read()
-- Params: app_ids Array(String), max_rows UInt32
-- Rows:   event, events UInt64, first_ms, last_ms Int64 (occurred_at, epoch ms), platforms Array(String); most frequent first
-- Source: FINAL, so that duplicates count once.
SELECT
    event,
    count() AS events,
    min(toUnixTimestamp64Milli(occurred_at)) AS first_ms,
    max(toUnixTimestamp64Milli(occurred_at)) AS last_ms,
    arraySort(groupUniqArray(toString(platform))) AS platforms
FROM events FINAL
WHERE app_id IN {app_ids:Array(String)}
GROUP BY event
ORDER BY
    events DESC,
    event
LIMIT {max_rows:UInt32}
