-- attributes.at_home: attributes of persons beside the events of their ids.  Caller: query_api/attributes.py at_home()
-- Params: fragments values (a SELECT of user and attributes), columns (those of values), persons (source.map_latest*), joined_as (a
--         name)
-- Rows:   a JOIN after FROM events: the columns, and <joined_as>_actor UInt64; an id without attributes gets kind 0, which is absent
-- Source: GLOBAL: shards of a cluster get what the asked node found, so that one question knows one state of persons. A person is an id
--         by itself unless it is bound to another one.
GLOBAL ANY LEFT JOIN
(
    SELECT
        arrayJoin(if(v.user IN (SELECT id_key FROM ({{persons}})), m.ids, arrayPushFront(m.ids, v.user))) AS {{joined_as}}_actor,
        {{columns}}
    FROM
    (
        {{values}}
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
