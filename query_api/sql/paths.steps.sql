-- paths.steps: every node of every way with what follows.  Caller: query_api/paths.py _folded()
-- Params: those of paths.flows; fragment flows
-- Rows:   user UInt64, undecided Bool (paths.flows), level UInt8 (from 1), node, following UInt64, step UInt8 (1: following is the
--         next node, 2: the session ends here, 3: it goes on beyond the last level); one for each session and level
-- Source: the ways of paths.flows.
SELECT
    user,
    undecided,
    toUInt8(bitShiftRight(place, 51)) AS level,
    bitAnd(place, 2251799813685247) AS node,
    if(next_place > 1, bitAnd(next_place, 2251799813685247), 0) AS following,
    toUInt8(multiIf(next_place > 1, 1, next_place = 1, 3, 2)) AS step
FROM
(
    SELECT
        user,
        undecided,
        arrayJoin(arrayZip(flow, arrayPopFront(arrayPushBack(flow, toUInt64(0))))) AS pair,
        pair.1 AS place,
        pair.2 AS next_place
    FROM
    (
        {{flows}}
    )
)
WHERE place > 1
