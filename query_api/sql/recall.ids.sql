-- recall.ids: whether an event's id is one of these persons'.  Caller: query_api/recall.py _outcomes()
-- Params: fragments users (a SELECT of user), persons (source.map_latest*)
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
        {{users}}
    )
    UNION ALL
    {{users}}
)
