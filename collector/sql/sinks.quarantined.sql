-- sinks.quarantined: ids whose bindings are not followed.  Caller: collector/sinks.py
-- Params: since_ms Int64 (epoch ms): only those inserted at or after it
-- Rows:   id_key UInt64; inserted_ms Int64
-- Source: DESIGN-identity.md of the query API, "Quarantine"
SELECT id_key, toUnixTimestamp64Milli(inserted_at) AS inserted_ms
FROM identity_quarantine
WHERE inserted_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
