-- paths.top: the nodes with the most sessions of each level.  Caller: query_api/paths.py _folded()
-- Params: those of paths.steps; top UInt32; fragments steps, names (order_keys.names)
-- Rows:   level UInt8, number UInt64; at most top of a level, most sessions first; undecided as paths.counts
-- Ties:   by event and value, so that the same request gives the same nodes.
SELECT
    level,
    counted.node AS number,
    max(any_undecided) OVER () AS undecided
FROM
(
    SELECT
        level,
        node,
        count() AS sessions,
        max(undecided) AS any_undecided
    FROM
    (
        {{steps}}
    )
    GROUP BY
        level,
        node
) AS counted
ANY LEFT JOIN
(
    {{names}}
) AS names ON names.number = counted.node
ORDER BY
    level,
    sessions DESC,
    names.key
LIMIT {top:UInt32} BY level
