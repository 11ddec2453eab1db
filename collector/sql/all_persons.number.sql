-- all_persons.number: about how many ids there are to go through.  Caller: collector/all_persons.py
-- Params: none
-- Rows:   ids UInt64, one row
-- Source: only for the progress that is shown
SELECT uniq(id_key)
FROM
(
    SELECT id_key
    FROM identity_bindings
    UNION ALL
    SELECT id_key
    FROM identity_map
)
