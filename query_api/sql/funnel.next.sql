-- funnel.next: what users who dropped did next, by the step they had reached.  Caller: query_api/funnel.py _shown_next()
-- Params: dropped_next UInt32; fragments users (funnel.attributed, its key the number of the next event within the window or ''), depth, names
--         (order_keys.names of event names)
-- Rows:   depth UInt8 (last step reached), has_next Bool, next_event String, users UInt64: the most frequent of each depth;
--         depth_users UInt64: all of the depth; undecided UInt64 (of all rows)
-- Source: the same rows that funnel.cell_users lists.
SELECT
    depth,
    next_number != '' AS has_next,
    if(has_next, toString(names.key), '') AS next_event,
    users,
    depth_users,
    undecided
FROM
(
    SELECT
        depth,
        next_number,
        users,
        sum(users) OVER (PARTITION BY depth) AS depth_users,
        sum(row_undecided) OVER () AS undecided
    FROM
    (
        SELECT
            {{depth}} AS depth,
            breakdown_key[1] AS next_number,
            count() AS users,
            sum(undecided) AS row_undecided
        FROM
        (
            {{users}}
        )
        GROUP BY
            depth,
            next_number
    )
) AS counted
ANY LEFT JOIN
(
    {{names}}
) AS names ON names.number = toUInt64OrZero(next_number)
ORDER BY
    depth,
    users DESC,
    has_next,
    next_event
LIMIT {dropped_next:UInt32} BY depth
