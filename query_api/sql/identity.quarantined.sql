-- identity.quarantined: which of some ids bind nothing.  Caller: query_api/identity.py
-- Params: keys Array(UInt64)
-- Rows:   id_key UInt64; crowded_kind String; since_ms Int64; companions UInt64 (ids of that kind it stood with)
-- Source: identity_quarantine, written by the collector.
SELECT
    q.id_key AS id_key,
    any(q.crowded_kind) AS crowded_kind,
    min(toUnixTimestamp64Milli(q.inserted_at)) AS since_ms,
    uniqExactIf(b.other_key, b.other_kind = q.crowded_kind) AS companions
FROM
(
    SELECT *
    FROM identity_quarantine
    WHERE id_key IN {keys:Array(UInt64)}
) AS q
LEFT JOIN
(
    SELECT id_key, other_key, other_kind
    FROM identity_bindings
    WHERE id_key IN {keys:Array(UInt64)}
) AS b ON q.id_key = b.id_key
GROUP BY id_key
ORDER BY id_key
