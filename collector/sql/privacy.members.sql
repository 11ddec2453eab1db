-- privacy.members: the ids of a person.  Caller: collector/privacy.py find()
-- Params: person UInt64
-- Rows:   id_key UInt64; kind, app_id, id String ('' where no binding holds the text)
-- Source: identity_map; an id that was of the person once (unbound since) is not its any more.
SELECT
    m.id_key,
    any(b.kind),
    any(b.app_id),
    any(b.id)
FROM
(
    SELECT id_key
    FROM identity_map FINAL
    WHERE person = {person:UInt64}
) AS m
LEFT JOIN
(
    SELECT id_key, kind, app_id, id
    FROM identity_bindings
    WHERE id_key IN (SELECT id_key FROM identity_map FINAL WHERE person = {person:UInt64})
) AS b ON m.id_key = b.id_key
GROUP BY m.id_key
