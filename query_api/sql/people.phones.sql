-- people.phones: the phones of some persons.  Caller: query_api/people.py phones_of()
-- Params: persons Array(UInt64); app_ids Array(String); fragments known (a condition over received_at), persons (source.map_*)
-- Rows:   user UInt64, ids Array(kind, app_id, id)
-- Source: phone_hash stands in no column of events, only in bindings; at most 100 a person.
SELECT
    m.person AS user,
    arraySort(groupUniqArray(100)(('phone_hash', '', b.id))) AS ids
FROM
(
    SELECT id_key, id
    FROM identity_bindings
    WHERE kind = 'phone_hash'
        AND event_app_id IN {app_ids:Array(String)}
        AND {{known}}
        AND id_key IN
        (
            SELECT id_key
            FROM
            (
                {{persons}}
            )
            WHERE person IN {persons:Array(UInt64)}
        )
) AS b
ANY INNER JOIN
(
    SELECT id_key, person
    FROM
    (
        {{persons}}
    )
    WHERE person IN {persons:Array(UInt64)}
) AS m ON b.id_key = m.id_key
GROUP BY user
