-- paths.walks: the way of every session that has the start or end event.  Caller: query_api/paths.py _steps()
-- Params: gap_ms Int64, depth UInt8; fragments source (the events that take part), is_anchor (a condition), order (source.order), node (an expression:
--         Tuple(event, value)), way (paths.way_*: from the anchor on, or back from it), compact (arrayCompact or empty)
-- Rows:   user UInt64, way Array(Tuple(String, String)): nodes of level 1, 2, … up to depth; goes_on Bool: there are more
-- Source: one pass. A session ends where more than gap_ms lies between neighbouring events that take part.
-- Order:  occurred_at, seq, event_id.
SELECT
    user,
    {{compact}}({{way}}) AS whole_way,
    arraySlice(whole_way, 1, {depth:UInt8}) AS way,
    length(whole_way) > {depth:UInt8} AS goes_on
FROM
(
    SELECT
        user,
        arrayJoin(
            arraySplit(
                (one, before_ms) -> one.1 - before_ms > {gap_ms:Int64},
                events_in_order,
                arrayPushFront(arrayPopBack(arrayMap(one -> one.1, events_in_order)), events_in_order[1].1)
            )
        ) AS session
    FROM
    (
        SELECT
            user,
            arraySort(
                one -> one.4,
                groupArray((at_ms, is_anchor, node, event_order))
            ) AS events_in_order
        FROM
        (
            SELECT
                user,
                toUnixTimestamp64Milli(occurred_at) AS at_ms,
                {{order}} AS event_order,
                toBool({{is_anchor}}) AS is_anchor,
                {{node}} AS node
            FROM
            (
                {{source}}
            )
        )
        GROUP BY user
        HAVING max(is_anchor)
    )
)
WHERE arrayExists(one -> one.2, session)
