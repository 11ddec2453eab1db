-- source.changes: the times at which ids become another person's, beside events.  Caller: query_api/source.py by_actor()
-- Params: from_ms, to_ms Int64 (epoch ms, end exclusive); fragment persons (source.map_strict*)
-- Rows:   a JOIN after FROM events: columns id_key UInt64, strict_from Array(Int64), empty of ids that stay one person's in the range
-- Source: GLOBAL: shards of a cluster get the asked node's, so that one question knows one state of the bindings.
GLOBAL ANY LEFT JOIN
(
    SELECT
        id_key,
        strict_from
    FROM
    (
        {{persons}}
    )
    WHERE arrayExists(
        (bound_ms, person_then, person_before) -> bound_ms > {from_ms:Int64} AND bound_ms < {to_ms:Int64} AND person_then != person_before,
        strict_from,
        strict_person,
        arrayPushFront(arrayPopBack(strict_person), id_key)
    )
) AS changes ON actor = changes.id_key
