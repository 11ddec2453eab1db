-- identity.bindings: every pair in which some ids take part, with its evidence.  Caller: query_api/identity.py
-- Params: keys Array(UInt64); pairs_limit UInt32
-- Rows:   the two ids, the first event after the last unbinding (or of all, when none lies after it), how many events,
--         the person of the other id, when the pair was last taken apart (0: never), reason of a conflict ('' for none),
--         whether one of the two is quarantined
-- Source: the rules of collector/identity.py; a binding counts only if an event lies after the pair's last unbinding.
SELECT
    b.id_key AS id_key,
    b.other_key AS other_key,
    kind,
    app_id,
    id,
    other_kind,
    other_app_id,
    other_id,
    is_bound,
    evidence.1 AS occurred_ms,
    evidence.3 AS event_id,
    evidence.4 AS event_app_id,
    evidence.5 AS received_ms,
    events,
    last_ms,
    unbound_ms,
    if(m.person != 0, m.person, b.other_key) AS other_person,
    b.id_key IN (SELECT id_key FROM identity_quarantine) OR b.other_key IN (SELECT id_key FROM identity_quarantine) AS is_quarantined,
    c.reason AS conflict
FROM
(
    SELECT
        p.id_key AS id_key,
        p.other_key AS other_key,
        any(kind) AS kind,
        any(app_id) AS app_id,
        any(id) AS id,
        any(other_kind) AS other_kind,
        any(other_app_id) AS other_app_id,
        any(other_id) AS other_id,
        max(u.unbound_ms) AS unbound_ms,
        max(at_ms) > unbound_ms AS is_bound,
        max(at_ms) AS last_ms,
        uniqExact(event_app_id, event_id) AS events,
        min((at_ms <= u.unbound_ms, (at_ms, seq, event_id, event_app_id, received_ms))).2 AS evidence
    FROM
    (
        SELECT
            *,
            toUnixTimestamp64Milli(occurred_at) AS at_ms,
            toUnixTimestamp64Milli(received_at) AS received_ms
        FROM identity_bindings
        WHERE id_key IN {keys:Array(UInt64)}
    ) AS p
    LEFT JOIN
    (
        SELECT id_key, other_key, max(toUnixTimestamp64Milli(unbound_at)) AS unbound_ms
        FROM identity_unbindings
        WHERE id_key IN {keys:Array(UInt64)}
        GROUP BY id_key, other_key
    ) AS u ON p.id_key = u.id_key AND p.other_key = u.other_key
    GROUP BY
        id_key,
        other_key
    ORDER BY
        id_key,
        other_key
    LIMIT {pairs_limit:UInt32}
) AS b
ANY LEFT JOIN
(
    SELECT id_key, person
    FROM identity_map FINAL
    WHERE id_key IN (SELECT other_key FROM identity_bindings WHERE id_key IN {keys:Array(UInt64)})
) AS m ON b.other_key = m.id_key
ANY LEFT JOIN
(
    SELECT id_key, other_key, reason
    FROM identity_conflicts FINAL
    WHERE id_key IN {keys:Array(UInt64)}
    UNION ALL
    SELECT turned.other_key AS id_key, turned.id_key AS other_key, reason
    FROM identity_conflicts AS turned FINAL
    WHERE turned.other_key IN {keys:Array(UInt64)}
) AS c ON b.id_key = c.id_key AND b.other_key = c.other_key
ORDER BY
    occurred_ms,
    event_id,
    id_key,
    other_key
