-- source.beside_strict: as source.beside_latest, identity "strict".  Caller: query_api/source.py beside_ids()
-- Params: from_ms, to_ms Int64 (epoch ms, end exclusive); columns of source.changes; fragments those of source.beside_latest, persons being
--         source.map_strict*, and since (source.since)
-- Rows:   a JOIN after source.changes: the columns, <joined_as>_actor UInt64 and <joined_as>_since_ms Int64
-- Source: an id has a row for each person that it was in the range, from a time on that source.since gives for the events of that time.
GLOBAL {{kind}} LEFT JOIN
(
    SELECT
        arrayJoin(
            if(v.user IN (SELECT id_key FROM ({{persons}})), m.ids, arrayPushFront(m.ids, (v.user, {from_ms:Int64})))
        ) AS {{joined_as}}_id,
        {{joined_as}}_id.1 AS {{joined_as}}_actor,
        {{joined_as}}_id.2 AS {{joined_as}}_since_ms,
        {{columns}}
    FROM
    (
        {{rows}}
    ) AS v
    ANY LEFT JOIN
    (
        SELECT
            person,
            groupArray((id_key, since_ms)) AS ids
        FROM
        (
            SELECT
                id_key,
                arrayJoin(
                    arrayFilter(
                        (one, until_ms) -> until_ms > one.1 AND one.1 < {to_ms:Int64},
                        arrayZip(
                            arrayMap(bound_ms -> greatest(bound_ms, {from_ms:Int64}), arrayPushFront(strict_from, toInt64(0))),
                            arrayPushFront(strict_person, id_key)
                        ),
                        arrayPushBack(strict_from, {to_ms:Int64} + 1)
                    )
                ) AS time,
                time.1 AS since_ms,
                time.2 AS person
            FROM
            (
                {{persons}}
            )
        )
        GROUP BY person
    ) AS m ON v.user = m.person
) AS {{joined_as}} ON actor = {{joined_as}}.{{joined_as}}_actor AND {{since}} = {{joined_as}}.{{joined_as}}_since_ms
