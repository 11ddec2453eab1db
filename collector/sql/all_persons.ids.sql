-- all_persons.ids: the next ids that are bound, have a person stored or a conflict listed, in order.  Caller: collector/all_persons.py
-- Params: from_key UInt64: the first key that may come; at_most UInt32
-- Rows:   id_key UInt64
-- Source: DESIGN-identity.md. Each table is read in the order of its keys, as far as the limit reaches; conflicts are few.
SELECT DISTINCT id_key
FROM
(
    SELECT DISTINCT id_key
    FROM identity_bindings
    WHERE id_key >= {from_key:UInt64}
    ORDER BY id_key
    LIMIT {at_most:UInt32}
    UNION ALL
    SELECT DISTINCT id_key
    FROM identity_map
    WHERE id_key >= {from_key:UInt64}
    ORDER BY id_key
    LIMIT {at_most:UInt32}
    UNION ALL
    SELECT DISTINCT id_key
    FROM identity_conflicts
    WHERE id_key >= {from_key:UInt64}
    ORDER BY id_key
    LIMIT {at_most:UInt32}
)
ORDER BY id_key
LIMIT {at_most:UInt32}
