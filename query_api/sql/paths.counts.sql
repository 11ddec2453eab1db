-- paths.counts: sessions and users of every node and of every step from it, and of every level.  Caller: query_api/paths.py answer()
-- Params: those of paths.steps; top UInt32; fragment steps
-- Rows:   level UInt8, step UInt8 (0: all steps of the node, or of the level where has_node is 0), is_other, following_is_other,
--         shown_node, shown_following as paths.folded, has_node UInt8, sessions, users UInt64
-- Source: one pass. The sessions that go to a node are the node's own, since each way is walked without a gap: so the place of
--         a following node at its level is known here. Places as in paths.top.
SELECT
    level,
    step,
    is_other,
    shown_node,
    following_is_other,
    shown_following,
    grouping(shown_node) = 0 AS has_node,
    sum(step_sessions) AS sessions,
    uniqExactMerge(step_users) AS users
FROM
(
    SELECT
        level,
        step,
        step_sessions,
        step_users,
        dense_rank() OVER (PARTITION BY level ORDER BY node_sessions DESC, node) > {top:UInt32} AS is_other,
        step = 1
            AND dense_rank() OVER (PARTITION BY level, step ORDER BY following_sessions DESC, following) > {top:UInt32} AS following_is_other,
        if(is_other, ('', ''), node) AS shown_node,
        if(following_is_other, ('', ''), following) AS shown_following
    FROM
    (
        SELECT
            *,
            sum(step_sessions) OVER (PARTITION BY level, node) AS node_sessions,
            sum(step_sessions) OVER (PARTITION BY level, step, following) AS following_sessions
        FROM
        (
            SELECT
                level,
                node,
                following,
                step,
                count() AS step_sessions,
                uniqExactState(user) AS step_users
            FROM
            (
                {{steps}}
            )
            GROUP BY
                level,
                node,
                following,
                step
        )
    )
)
GROUP BY GROUPING SETS
(
    (level),
    (level, is_other, shown_node),
    (level, is_other, shown_node, step, following_is_other, shown_following)
)
