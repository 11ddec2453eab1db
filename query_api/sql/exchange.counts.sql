-- exchange.counts: every number of every row.  Caller: query_api/exchange.py _counted()
-- Params: those of exchange.added; fragments added, value (the sum of amounts), names (order_keys.names of entries and exits, of the range)
-- Rows:   key String (packed; empty: the total), launches, entries, users_in, new_users, next_day_eligible, next_day_returned, conversions,
--         converters UInt64, conversion_value Float64, exits, users_out, users_both UInt64; undecided Bool (of any: then the numbers do not hold)
SELECT
    names.key AS key,
    counted.*
FROM
(
    SELECT
        number,
        countIf(bitTest(what, 0)) AS launches,
        countIf(bitTest(what, 1)) AS entries,
        countIf(bitTest(what, 2)) AS users_in,
        countIf(bitTest(what, 3)) AS new_users,
        countIf(bitTest(what, 4)) AS next_day_eligible,
        countIf(bitTest(what, 5)) AS next_day_returned,
        countIf(bitTest(what, 6)) AS conversions,
        countIf(bitTest(what, 7)) AS converters,
        {{value}} AS conversion_value,
        countIf(bitTest(what, 8)) AS exits,
        countIf(bitTest(what, 9)) AS users_out,
        countIf(bitTest(what, 10)) AS users_both,
        max(undecided) AS undecided
    FROM
    (
        {{added}}
    )
    GROUP BY number
) AS counted
ANY LEFT JOIN
(
    {{names}}
) AS names ON names.number = counted.number
