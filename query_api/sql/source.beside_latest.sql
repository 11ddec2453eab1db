-- source.beside_latest: what is known of persons, beside the events of their ids, identity "latest".  Caller: query_api/source.py beside_ids()
-- Params: fragments rows (a SELECT of user, each once, and columns), columns (those of rows), persons (source.map_latest*), kind (of the
--         JOIN: ANY, or SEMI to leave other events out), joined_as (a name)
-- Rows:   a JOIN after FROM events: the columns, and <joined_as>_actor UInt64
-- Source: GLOBAL: shards of a cluster get what the asked node found, so that one question knows one state of persons. A person is an id
--         by itself unless it is bound to another one.
GLOBAL {{kind}} LEFT JOIN
(
    SELECT
        arrayJoin(if(v.user IN (SELECT id_key FROM ({{persons}})), m.ids, arrayPushFront(m.ids, v.user))) AS {{joined_as}}_actor,
        {{columns}}
    FROM
    (
        {{rows}}
    ) AS v
    ANY LEFT JOIN
    (
        SELECT
            person,
            groupArray(id_key) AS ids
        FROM
        (
            {{persons}}
        )
        GROUP BY person
    ) AS m ON v.user = m.person
) AS {{joined_as}} ON actor = {{joined_as}}.{{joined_as}}_actor
