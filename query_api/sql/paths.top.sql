-- paths.top: the nodes with the most sessions of each level.  Caller: query_api/paths.py _folded()
-- Params: those of paths.steps; top UInt32; fragment steps
-- Rows:   level UInt8, event, value String; at most top of a level, most sessions first
-- Ties:   by event and value, so that the same request gives the same nodes.
SELECT
    level,
    node.1 AS event,
    node.2 AS value
FROM
(
    {{steps}}
)
GROUP BY
    level,
    node
ORDER BY
    level,
    count() DESC,
    event,
    value
LIMIT {top:UInt32} BY level
