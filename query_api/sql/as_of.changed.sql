-- as_of.changed: ids with a binding, an unbinding or a quarantine that was not known yet at an instant.  Caller: query_api/as_of.py
-- Params: app_ids Array(String); as_of_ms Int64; changed_limit UInt32
-- Rows:   id_key UInt64, each once; of the project of the apps
-- Source: whatever hangs together with none of them has the same person now as then.
SELECT DISTINCT id_key
FROM
(
    SELECT id_key
    FROM identity_bindings
    WHERE received_at > fromUnixTimestamp64Milli({as_of_ms:Int64}, 'UTC')
        AND project IN (SELECT project FROM events WHERE app_id IN {app_ids:Array(String)} LIMIT 1)
    UNION ALL
    SELECT id_key
    FROM identity_quarantine
    WHERE inserted_at > fromUnixTimestamp64Milli({as_of_ms:Int64}, 'UTC')
        AND project IN (SELECT project FROM events WHERE app_id IN {app_ids:Array(String)} LIMIT 1)
    UNION ALL
    SELECT id_key
    FROM identity_unbindings
    WHERE inserted_at > fromUnixTimestamp64Milli({as_of_ms:Int64}, 'UTC')
        AND project IN (SELECT project FROM events WHERE app_id IN {app_ids:Array(String)} LIMIT 1)
)
LIMIT {changed_limit:UInt32}
