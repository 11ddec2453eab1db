-- paths.folded: the steps with rare nodes as "other".  Caller: query_api/paths.py _folded() for users()
-- Params: those of paths.steps; top_levels Array(UInt8), top_events, top_values Array(String) (from paths.top); fragment steps
-- Rows:   user UInt64, level UInt8, step UInt8, is_other, following_is_other Bool, shown_node, shown_following Tuple(String, String) (empty
--         texts for "other", and where nothing follows)
-- Source: the same rows as paths.top, so that every level keeps its sessions.
WITH
(
    SELECT arrayZip({top_levels:Array(UInt8)}, {top_events:Array(String)}, {top_values:Array(String)})
) AS top_nodes
SELECT
    user,
    level,
    step,
    (level, node.1, node.2) NOT IN (SELECT arrayJoin(top_nodes)) AS is_other,
    step = 1 AND (toUInt8(level + 1), following.1, following.2) NOT IN (SELECT arrayJoin(top_nodes)) AS following_is_other,
    if(is_other, ('', ''), node) AS shown_node,
    if(following_is_other, ('', ''), following) AS shown_following
FROM
(
    {{steps}}
)
