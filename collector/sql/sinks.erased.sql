-- sinks.erased: ids whose person was erased.  Caller: collector/sinks.py
-- Params: since_ms Int64 (epoch ms): only those inserted at or after it
-- Rows:   id_key UInt64; erased_ms, inserted_ms Int64
-- Source: DESIGN-identity.md of the query API, "Erased persons"
SELECT
    id_key,
    toUnixTimestamp64Milli(max(erased_at)) AS erased_ms,
    toUnixTimestamp64Milli(max(inserted_at)) AS inserted_ms
FROM erased_ids
WHERE inserted_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
GROUP BY id_key
