-- paths.flows: the ways of each user, one after another.  Caller: query_api/paths.py _sql()
-- Params: gap_ms Int64, depth UInt8; fragments collected (by_actor.collected: way_keys, order keys, query_api/order_keys.py, of events
--         that take part), undecided (of keys), at and payload of k, way (paths.way_*: from the anchor on, or back from it), compact (arrayCompact
--         or empty)
-- Rows:   user UInt64, each once; flow Array(UInt64): of each way its places, which are a level above the 51 bits of a node's number, up to depth,
--         then 0 where the session ends there and 1 where it goes on; undecided Bool: the key leaves the order of two of the user's events open
-- Source: one pass over plain numbers. A session ends where more than gap_ms lies between neighbouring events that take part.
-- Order:  occurred_at, seq, event_id.
SELECT
    user,
    {{undecided}} AS undecided,
    arrayFlatten(
        arrayMap(
            way -> arrayMap(
                (node, level) -> multiIf(node = 0, 0, level > {depth:UInt8}, 1, bitShiftLeft(toUInt64(level), 51) + node),
                way,
                arrayEnumerate(way)
            ),
            arrayMap(
                session -> arraySlice(
                    arrayPushBack({{compact}}(arrayMap(mark -> bitAnd(mark, 2251799813685247), {{way}})), toUInt64(0)),
                    1,
                    {depth:UInt8} + 1
                ),
                arrayFilter(session -> arrayExists(mark -> bitTest(mark, 51), session), sessions)
            )
        )
    ) AS flow
FROM
(
    SELECT
        user,
        arraySort(way_keys) AS keys,
        arraySplit(
            (mark, since_ms) -> since_ms > {gap_ms:Int64},
            arrayMap(k -> {{payload}}, keys),
            arrayDifference(arrayMap(k -> {{at}}, keys))
        ) AS sessions
    FROM
    (
        {{collected}}
    )
)
