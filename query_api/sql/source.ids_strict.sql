-- source.ids_strict: whether an event's id has ever been one of these persons'.  Caller: query_api/source.py of_users()
-- Params: fragments users (a SELECT of user), persons (source.map_strict*)
-- Rows:   a condition on columns of events
-- Source: as source.ids_latest; whose an event is says its time (source.events_strict).
actor GLOBAL IN
(
    SELECT id_key
    FROM
    (
        SELECT
            id_key,
            arrayJoin(strict_person) AS person
        FROM
        (
            {{persons}}
        )
    )
    WHERE person IN
    (
        {{users}}
    )
    UNION ALL
    {{users}}
)
