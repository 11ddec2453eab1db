-- sinks.bindings_of: the earliest binding of each pair in which an asked id takes part.  Caller: collector/sinks.py
-- Params: table asked(key UInt64) beside the query; limit UInt32: pairs per id and kind, earliest first
-- Rows:   the columns of identity_bindings, times in epoch ms. A binding not later than the pair's last unbinding is none.
-- Source: DESIGN-identity.md
SELECT
    id_key,
    other_key,
    project,
    kind,
    app_id,
    id,
    other_kind,
    other_app_id,
    other_id,
    toUnixTimestamp64Milli(occurred_at) AS occurred_at,
    seq,
    event_id,
    event_app_id,
    toUnixTimestamp64Milli(received_at) AS received_at
FROM
(
    SELECT bindings.*
    FROM
    (
        SELECT *
        FROM identity_bindings
        WHERE id_key IN (SELECT key FROM asked)
    ) AS bindings
    LEFT JOIN
    (
        SELECT id_key, other_key, max(unbound_at) AS last_unbound_at
        FROM identity_unbindings
        WHERE id_key IN (SELECT key FROM asked)
        GROUP BY id_key, other_key
    ) AS unbindings USING (id_key, other_key)
    WHERE bindings.occurred_at > last_unbound_at
    ORDER BY id_key, other_key, bindings.occurred_at, seq, event_id
    LIMIT 1 BY id_key, other_key
)
ORDER BY id_key, occurred_at, seq, event_id, other_key
LIMIT {limit:UInt32} BY id_key, other_kind, other_app_id
