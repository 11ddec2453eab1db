-- exchange.counts: every number of every row.  Caller: query_api/exchange.py _counted()
-- Params: fragments events (exchange.events), came, converted, out and both (exchange.in_counts, conversion_counts, out_counts, both_counts)
-- Rows:   kind UInt8: 1 who came, 2 conversions, 3 exits, 4 users in and out; key String (packed; empty: the total), and of its kind: launches,
--         entries, users_in, new_users, next_day_eligible, next_day_returned; conversions, converters UInt64, conversion_value Float64;
--         exits, users_out; users_both UInt64; undecided (of any: the numbers do not hold)
-- Source: each event is read once, and kept.
SELECT *
FROM
(
    WITH exchanged AS MATERIALIZED
    (
        {{events}}
    )
    SELECT
        toUInt8(1) AS kind,
        key,
        launches,
        entries,
        users_in,
        new_users,
        next_day_eligible,
        next_day_returned,
        toUInt64(0) AS conversions,
        toUInt64(0) AS converters,
        toFloat64(0) AS conversion_value,
        toUInt64(0) AS exits,
        toUInt64(0) AS users_out,
        toUInt64(0) AS users_both,
        toUInt8(undecided) AS undecided
    FROM
    (
        {{came}}
    )
    UNION ALL
    SELECT
        2, key, 0, 0, 0, 0, 0, 0, conversions, converters, conversion_value, 0, 0, 0, 0
    FROM
    (
        {{converted}}
    )
    UNION ALL
    SELECT
        3, key, 0, 0, 0, 0, 0, 0, 0, 0, 0, exits, users_out, 0, 0
    FROM
    (
        {{out}}
    )
    UNION ALL
    SELECT
        4, key, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, users_both, 0
    FROM
    (
        {{both}}
    )
)
SETTINGS enable_materialized_cte = 1
