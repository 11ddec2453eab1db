-- paths.counts: sessions and users of every node and of every step from it, and of every level.  Caller: query_api/paths.py answer()
-- Params: those of paths.flows; top UInt32; fragments flows, names (order_keys.names)
-- Rows:   level UInt8, step UInt8 (0: all steps of the node, or of the level where has_node is 0; else as in paths.steps), is_other,
--         following_is_other UInt8, shown_node, shown_following Tuple(String, String) (event, value; empty for "other" and where nothing follows),
--         has_node UInt8, sessions, users UInt64, undecided Bool (of any: then the numbers do not hold)
-- Source: one pass over events, whose ways are kept. A user is one row, so it is counted at the first of its steps, of its steps from a node
--         and of its steps on a level (the bits of firsts), and no set of users is needed. Rare nodes become "other", a place
--         without a node, before that; which they are as in paths.top.
SELECT *
FROM
(
    WITH
        names AS MATERIALIZED
        (
            {{names}}
        ),
        flows AS MATERIALIZED
        (
            SELECT
                flow,
                undecided
            FROM
            (
                {{flows}}
            )
        ),
        shown AS
        (
            SELECT place
            FROM
            (
                SELECT
                    arrayJoin(flow) AS place,
                    count() AS sessions
                FROM flows
                GROUP BY place
                HAVING place > 1
            ) AS counted
            ANY LEFT JOIN names ON names.number = bitAnd(counted.place, 2251799813685247)
            ORDER BY
                bitShiftRight(place, 51),
                sessions DESC,
                names.key
            LIMIT {top:UInt32} BY bitShiftRight(place, 51)
        )
    SELECT
        level,
        step,
        is_other,
        following_is_other,
        of_node.key AS shown_node,
        of_following.key AS shown_following,
        grouping(shown_node) = 0 AS has_node,
        sum(times) AS sessions,
        multiIf(
            grouping(shown_node) = 1, sumIf(times, bitTest(firsts, 2)),
            grouping(step) = 1, sumIf(times, bitTest(firsts, 1)),
            sumIf(times, bitTest(firsts, 0))
        ) AS users,
        max(any_undecided) AS undecided
    FROM
    (
        SELECT
            toUInt8(bitShiftRight(stepped.1, 51)) AS level,
            bitAnd(stepped.1, 2251799813685247) AS node,
            bitAnd(stepped.2, 2251799813685247) AS following,
            toUInt8(multiIf(stepped.2 > 1, 1, stepped.2 = 1, 3, 2)) AS step,
            node = 0 AS is_other,
            step = 1 AND following = 0 AS following_is_other,
            stepped.3 AS firsts,
            count() AS times,
            max(undecided) AS any_undecided
        FROM
        (
            SELECT
                undecided,
                arrayFilter(place -> place > 1, folded) AS places,
                arrayFilter((following, place) -> place > 1, arrayPopFront(arrayPushBack(folded, toUInt64(0))), folded) AS followings,
                arrayJoin(
                    arrayZip(
                        places,
                        followings,
                        arrayMap(
                            (of_step, of_place, of_level) -> toUInt8((of_step = 1) + 2 * (of_place = 1) + 4 * (of_level = 1)),
                            arrayEnumerateUniq(places, followings),
                            arrayEnumerateUniq(places),
                            arrayEnumerateUniq(arrayMap(place -> bitShiftRight(place, 51), places))
                        )
                    )
                ) AS stepped
            FROM
            (
                SELECT
                    undecided,
                    arrayMap(
                        one -> if(one <= 1 OR one IN (SELECT place FROM shown), one, bitShiftLeft(bitShiftRight(one, 51), 51)),
                        flow
                    ) AS folded
                FROM flows
            )
        )
        GROUP BY stepped
    ) AS counted
    ANY LEFT JOIN names AS of_node ON of_node.number = counted.node
    ANY LEFT JOIN names AS of_following ON of_following.number = if(counted.step = 1, counted.following, 0)
    GROUP BY GROUPING SETS
    (
        (level),
        (level, is_other, shown_node),
        (level, is_other, shown_node, step, following_is_other, shown_following)
    )
)
SETTINGS enable_materialized_cte = 1
