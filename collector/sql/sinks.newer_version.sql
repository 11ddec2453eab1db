-- sinks.newer_version: whether the persons of some ids are stored with higher versions.  Caller: collector/sinks.py
-- Params: table asked(key UInt64, version UInt64) beside the query
-- Rows:   version UInt64, one row: the highest that is above the asked one of its id; 0 where there is none
-- Source: Binder._resolve. No ANY join: it would look at one row of an id that has several, and the highest counts.
SELECT max(stored.version) AS version
FROM identity_map AS stored
INNER JOIN asked ON stored.id_key = asked.key
WHERE stored.id_key IN (SELECT key FROM asked)
    AND stored.version > asked.version
