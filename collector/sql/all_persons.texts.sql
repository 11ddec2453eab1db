-- all_persons.texts: what some keys stand for.  Caller: collector/all_persons.py
-- Params: table asked(key UInt64) beside the query
-- Rows:   id_key UInt64; project, kind, app_id, id String; ids whose bindings are gone have no row
-- Source: identity_bindings, which hold the text of every bound id.
SELECT
    id_key,
    any(project),
    any(kind),
    any(app_id),
    any(id)
FROM identity_bindings
WHERE id_key IN (SELECT key FROM asked)
GROUP BY id_key
