-- paths.counts: sessions and users of every node and of every step from it, and of every level.  Caller: query_api/paths.py answer()
-- Params: those of paths.folded; fragment folded
-- Rows:   level UInt8, step UInt8 (0: all steps of the node, or of the level where has_node is 0), is_other, following_is_other,
--         shown_node, shown_following as paths.folded, has_node UInt8, sessions, users UInt64
-- Source: one pass; each row of paths.folded is one session at one level.
SELECT
    level,
    step,
    is_other,
    shown_node,
    following_is_other,
    shown_following,
    grouping(shown_node) = 0 AS has_node,
    count() AS sessions,
    uniqExact(user) AS users
FROM
(
    {{folded}}
)
GROUP BY GROUPING SETS
(
    (level),
    (level, is_other, shown_node),
    (level, is_other, shown_node, step, following_is_other, shown_following)
)
