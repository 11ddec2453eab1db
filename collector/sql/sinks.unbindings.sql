-- sinks.unbindings: pairs of ids that were taken apart.  Caller: collector/sinks.py
-- Params: since DateTime64(3) UTC: only those inserted at or after it
-- Rows:   id_key, other_key UInt64; inserted_ms Int64
-- Source: DESIGN-identity.md
SELECT id_key, other_key, toUnixTimestamp64Milli(inserted_at) AS inserted_ms
FROM identity_unbindings
WHERE inserted_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
