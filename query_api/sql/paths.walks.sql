-- paths.walks: the way of every session that has the start or end event.  Caller: query_api/paths.py _steps()
-- Params: gap_ms Int64, depth UInt8; fragments source (the events that take part), is_anchor (a condition), node (a number of an
--         event, order_keys.hashed), key, undecided (of keys), and at and payload of k, at_before of previous (order_keys.py), way
--         (paths.way_*: from the anchor on, or back from it), compact (arrayCompact or empty)
-- Rows:   user UInt64, way Array(UInt64): nodes of level 1, 2, … up to depth; goes_on Bool: there are more; undecided Bool: the
--         key leaves the order of two of the user's events open
-- Source: one pass over plain numbers. A session ends where more than gap_ms lies between neighbouring events that take part.
-- Order:  occurred_at, seq, event_id.
SELECT
    user,
    undecided,
    {{compact}}(arrayMap(mark -> bitAnd(mark, 2251799813685247), {{way}})) AS whole_way,
    arraySlice(whole_way, 1, {depth:UInt8}) AS way,
    length(whole_way) > {depth:UInt8} AS goes_on
FROM
(
    SELECT
        user,
        undecided,
        arrayJoin(
            arraySplit(
                (mark, k, previous) -> {{at}} - {{at_before}} > {gap_ms:Int64},
                arrayMap(k -> {{payload}}, keys),
                keys,
                arrayPushFront(arrayPopBack(keys), keys[1])
            )
        ) AS marks
    FROM
    (
        SELECT
            user,
            keys,
            {{undecided}} AS undecided
        FROM
        (
            SELECT
                user,
                arraySort(groupArray({{key}})) AS keys
            FROM
            (
                SELECT
                    *,
                    bitOr({{node}}, if({{is_anchor}}, toUInt64(2251799813685248), 0)) AS mark
                FROM
                (
                    {{source}}
                )
            )
            GROUP BY user
            HAVING bitTest(groupBitOr(mark), 51)
        )
    )
)
WHERE arrayExists(mark -> bitTest(mark, 51), marks)
