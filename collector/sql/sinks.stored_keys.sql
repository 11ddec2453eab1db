-- sinks.stored_keys: which of the asked events are stored.  Caller: collector/sinks.py
-- Params: table asked(key UInt64) beside the query
-- Rows:   event_key UInt64, each once
-- Source: DESIGN-spool.md, "How long a duplicate is recognised"
SELECT DISTINCT event_key
FROM event_ids
WHERE event_key IN (SELECT key FROM asked)
