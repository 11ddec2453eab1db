-- paths.steps: every node of every way with what follows.  Caller: query_api/paths.py _steps()
-- Params: those of paths.walks; fragment walks
-- Rows:   user UInt64, undecided Bool (paths.walks), level UInt8 (from 1), node, following UInt64, step UInt8 (1: following is the
--         next node, 2: the session ends here, 3: it goes on beyond the last level); one for each session and level
-- Source: the ways of paths.walks.
SELECT
    user,
    undecided,
    toUInt8(place.1) AS level,
    place.2 AS node,
    place.3 AS following,
    toUInt8(multiIf(place.1 < length(way), 1, goes_on, 3, 2)) AS step
FROM
(
    SELECT
        user,
        undecided,
        way,
        goes_on,
        arrayJoin(arrayZip(arrayEnumerate(way), way, arrayPushBack(arrayPopFront(way), toUInt64(0)))) AS place
    FROM
    (
        {{walks}}
    )
)
