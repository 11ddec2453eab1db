-- funnel.next: what users who dropped did next, by the step they had reached.  Caller: query_api/funnel.py _next_events()
-- Params: dropped_next UInt32; fragments users (funnel.attributed, its key the next event within the window or ''), depth
-- Rows:   depth UInt8 (last step reached), next_event Array(String) (one element, as in a breakdown key), users UInt64: the
--         most frequent of each depth; depth_users UInt64: all of the depth; undecided UInt64 (of all rows)
-- Source: the same rows that funnel.cell_users lists.
SELECT
    depth,
    next_event,
    users,
    depth_users,
    undecided
FROM
(
    SELECT
        depth,
        next_event,
        users,
        sum(users) OVER (PARTITION BY depth) AS depth_users,
        sum(row_undecided) OVER () AS undecided
    FROM
    (
        SELECT
            {{depth}} AS depth,
            breakdown_key AS next_event,
            count() AS users,
            sum(undecided) AS row_undecided
        FROM
        (
            {{users}}
        )
        GROUP BY
            depth,
            next_event
    )
)
ORDER BY
    depth,
    users DESC,
    next_event
LIMIT {dropped_next:UInt32} BY depth
