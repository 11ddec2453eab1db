-- demo.count_events: how many different events are stored for some apps.  Caller: loadtest/demo.py
-- Params: app_ids Array(String)
-- Rows:   one: events UInt64
-- Source: event_key is a hash of app and event_id, so that copies count once
SELECT uniqExact(event_key) AS events
FROM events
WHERE app_id IN {app_ids:Array(String)}
LIMIT 1
