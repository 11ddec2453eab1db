-- sinks.companions: ids that are one person with an asked id now.  Caller: collector/sinks.py
-- Params: table asked(key UInt64) beside the query
-- Rows:   id_key UInt64
-- Source: what a quarantined id had joined must be worked out again. Rare, so a look at the whole table is cheap enough.
SELECT id_key
FROM identity_map FINAL
WHERE person IN
(
    SELECT person
    FROM identity_map FINAL
    WHERE id_key IN (SELECT key FROM asked)
)
