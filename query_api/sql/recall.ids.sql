-- recall.ids: whether an event's id is one of who was sent or held out of a message.  Caller: query_api/recall.py _outcomes()
-- Params: those of recall.persons; fragments sendings (recall.sendings), persons (source.map_latest*)
-- Rows:   a condition on columns of events
-- Source: GLOBAL: shards of a cluster get the asked node's. An id without a row is a person by itself.
actor GLOBAL IN
(
    SELECT id_key
    FROM
    (
        {{persons}}
    )
    WHERE person IN
    (
        SELECT user
        FROM
        (
            {{sendings}}
        )
    )
    UNION ALL
    SELECT user
    FROM
    (
        {{sendings}}
    )
)
