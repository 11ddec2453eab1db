-- as_of.bindings: the earliest binding of each pair of the asked ids, as known at an instant.  Caller: query_api/as_of.py
-- Params: table asked(key UInt64) beside the query; as_of_ms Int64
-- Rows:   the columns of identity_bindings that resolving needs, occurred_at in epoch ms; at most 200 per id and kind, earliest first
-- Source: sinks.bindings_of of the collector, with what was received or taken apart by then.
SELECT
    id_key,
    other_key,
    toString(kind) AS kind,
    toString(app_id) AS app_id,
    toString(other_kind) AS other_kind,
    toString(other_app_id) AS other_app_id,
    toUnixTimestamp64Milli(occurred_at) AS occurred_at,
    seq,
    event_id
FROM
(
    SELECT bindings.*
    FROM
    (
        SELECT *
        FROM identity_bindings
        WHERE id_key IN (SELECT key FROM asked)
            AND received_at <= fromUnixTimestamp64Milli({as_of_ms:Int64}, 'UTC')
            AND id_key NOT IN
            (
                SELECT id_key
                FROM identity_quarantine
                WHERE inserted_at <= fromUnixTimestamp64Milli({as_of_ms:Int64}, 'UTC')
            )
            AND other_key NOT IN
            (
                SELECT id_key
                FROM identity_quarantine
                WHERE inserted_at <= fromUnixTimestamp64Milli({as_of_ms:Int64}, 'UTC')
            )
    ) AS bindings
    LEFT JOIN
    (
        SELECT id_key, other_key, max(unbound_at) AS last_unbound_at
        FROM identity_unbindings
        WHERE id_key IN (SELECT key FROM asked)
            AND inserted_at <= fromUnixTimestamp64Milli({as_of_ms:Int64}, 'UTC')
        GROUP BY id_key, other_key
    ) AS unbindings USING (id_key, other_key)
    WHERE bindings.occurred_at > last_unbound_at
    ORDER BY id_key, other_key, bindings.occurred_at, seq, event_id
    LIMIT 1 BY id_key, other_key
)
ORDER BY id_key, occurred_at, seq, event_id, other_key
LIMIT 200 BY id_key, other_kind, other_app_id
