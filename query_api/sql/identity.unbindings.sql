-- identity.unbindings: what people took apart at some ids.  Caller: query_api/identity.py
-- Params: keys Array(UInt64)
-- Rows:   id_key, other_key UInt64; unbound_ms Int64; reason, unbound_by String; oldest first
-- Source: identity_unbindings, appended and never changed.
SELECT DISTINCT
    id_key,
    other_key,
    toUnixTimestamp64Milli(unbound_at) AS unbound_ms,
    reason,
    unbound_by
FROM identity_unbindings
WHERE id_key IN {keys:Array(UInt64)}
ORDER BY
    unbound_ms,
    id_key,
    other_key
LIMIT 1000
