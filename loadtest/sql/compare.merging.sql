-- compare.merging: how many merges are under way.  Caller: loadtest/compare.py
-- Params: none
-- Rows:   one: merges UInt64
-- Source: system.merges
SELECT count() AS merges
FROM system.merges
