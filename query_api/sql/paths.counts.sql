-- paths.counts: sessions and users of every node and of every step from it, and of every level.  Caller: query_api/paths.py answer()
-- Params: those of paths.steps; top UInt32; fragments steps, names (order_keys.names)
-- Rows:   level UInt8, step UInt8 (0: all steps of the node, or of the level where has_node is 0), is_other, following_is_other,
--         shown_node, shown_following Tuple(String, String) (event, value; empty for "other" and where nothing follows), has_node UInt8,
--         sessions, users UInt64, undecided Bool (of any of them: then the numbers do not hold)
-- Source: one pass. The sessions that go to a node are the node's own, since each way is walked without a gap: so the place of
--         a following node at its level is known here. Places as in paths.top.
SELECT *
FROM
(
    WITH names AS MATERIALIZED
    (
        {{names}}
    )
    SELECT
        level,
        step,
        is_other,
        shown_node,
        following_is_other,
        shown_following,
        grouping(shown_node) = 0 AS has_node,
        sum(step_sessions) AS sessions,
        uniqExactMerge(step_users) AS users,
        max(any_undecided) AS undecided
    FROM
    (
        SELECT
            level,
            step,
            step_sessions,
            step_users,
            any_undecided,
            dense_rank() OVER (PARTITION BY level ORDER BY node_sessions DESC, node) > {top:UInt32} AS is_other,
            step = 1
                AND dense_rank() OVER (PARTITION BY level, step ORDER BY following_sessions DESC, following) > {top:UInt32} AS following_is_other,
            if(is_other, ('', ''), node) AS shown_node,
            if(following_is_other, ('', ''), following) AS shown_following
        FROM
        (
            SELECT
                * EXCEPT (node, following),
                of_node.key AS node,
                of_following.key AS following,
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
                    uniqExactState(user) AS step_users,
                    max(undecided) AS any_undecided
                FROM
                (
                    {{steps}}
                )
                GROUP BY
                    level,
                    node,
                    following,
                    step
            ) AS counted
            ANY LEFT JOIN names AS of_node ON of_node.number = counted.node
            ANY LEFT JOIN names AS of_following ON of_following.number = counted.following
        )
    )
    GROUP BY GROUPING SETS
    (
        (level),
        (level, is_other, shown_node),
        (level, is_other, shown_node, step, following_is_other, shown_following)
    )
)
SETTINGS enable_materialized_cte = 1
