-- identity.members: the ids of some persons.  Caller: query_api/identity.py
-- Params: persons Array(UInt64); app_ids Array(String); members_limit UInt32
-- Rows:   id_key, person UInt64; kind, app_id, id String ('' for an id that was never bound); is_seen UInt8 (an event of
--         these apps bound it)
-- Source: identity_map; the texts come from the bindings, which hold every bound id.
SELECT
    m.id_key AS id_key,
    m.person AS person,
    any(b.kind) AS kind,
    any(b.app_id) AS app_id,
    any(b.id) AS id,
    max(b.event_app_id IN {app_ids:Array(String)}) AS is_seen
FROM
(
    SELECT id_key, person
    FROM identity_map FINAL
    WHERE person IN {persons:Array(UInt64)}
    ORDER BY id_key
    LIMIT {members_limit:UInt32}
) AS m
LEFT JOIN
(
    SELECT id_key, kind, app_id, id, event_app_id
    FROM identity_bindings
    WHERE id_key IN
    (
        SELECT id_key
        FROM identity_map FINAL
        WHERE person IN {persons:Array(UInt64)}
        ORDER BY id_key
        LIMIT {members_limit:UInt32}
    )
) AS b ON m.id_key = b.id_key
GROUP BY
    id_key,
    person
ORDER BY id_key
