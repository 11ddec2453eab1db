-- paths.folded: the steps with rare nodes as "other".  Caller: query_api/paths.py _folded() for users()
-- Params: those of paths.steps; top_levels Array(UInt8), top_nodes Array(UInt64) (from paths.top); fragment steps
-- Rows:   user UInt64, level UInt8, step UInt8, is_other, following_is_other Bool, shown_node, shown_following UInt64 (0 for "other", and where
--         nothing follows)
-- Source: the same rows as paths.top, so that every level keeps its sessions.
WITH
(
    SELECT arrayZip({top_levels:Array(UInt8)}, {top_nodes:Array(UInt64)})
) AS shown
SELECT
    user,
    level,
    step,
    (level, node) NOT IN (SELECT arrayJoin(shown)) AS is_other,
    step = 1 AND (toUInt8(level + 1), following) NOT IN (SELECT arrayJoin(shown)) AS following_is_other,
    if(is_other, 0, node) AS shown_node,
    if(following_is_other, 0, following) AS shown_following
FROM
(
    {{steps}}
)
