-- all_persons.listed: the conflicts of some ids as a node has them.  Caller: collector/all_persons.py
-- Params: table asked(key UInt64) beside the query
-- Rows:   project String; id_key, other_key UInt64; reason String; occurred_ms Int64; event_id String; version UInt64
-- Source: identity_conflicts; id_key is the stronger of the two.
SELECT
    project,
    id_key,
    other_key,
    reason,
    toUnixTimestamp64Milli(occurred_at) AS occurred_ms,
    event_id,
    version
FROM identity_conflicts FINAL
WHERE id_key IN (SELECT key FROM asked)
