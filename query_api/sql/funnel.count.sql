-- funnel.count: users and times of each step, for all, by breakdown, by entry period and by both.
-- Caller: query_api/funnel.py answer()
-- Params: steps UInt8, breakdown_limit UInt32, histogram_from_ms Array(Int64); fragments users (funnel.attributed), has_step
--         (whether the chain holds an event of step), step_ms and from_first_ms (times of the steps from 2 on, by step),
--         timed_steps (the steps, from 1 for the second, of the histogram)
-- Rows:   all_keys, all_periods Bool: sums over them; is_other Bool: keys beyond the limit; shown_key Array(String);
--         period_ms Int64; users Array(UInt64): reached step 1, 2, …; Arrays with an element for each step from 2 on:
--         median_ms, average_ms (from the step before), median_from_first_ms, average_from_first_ms; histogram
--         Map(step * 100 + bin, users); undecided UInt64
-- Source: keys by their users, most first. Cells are kept as states, so that medians of sums are exact.
SELECT
    grouping(shown_key) != 0 AS all_keys,
    grouping(period_ms) != 0 AS all_periods,
    is_other,
    shown_key,
    period_ms,
    sumForEach(cell_users) AS users,
    quantileExactInclusiveForEachMerge(0.5)(cell_median_ms) AS median_ms,
    avgForEachMerge(cell_average_ms) AS average_ms,
    quantileExactInclusiveForEachMerge(0.5)(cell_median_from_first_ms) AS median_from_first_ms,
    avgForEachMerge(cell_average_from_first_ms) AS average_from_first_ms,
    sumMap(cell_histogram) AS histogram,
    sum(cell_undecided) AS undecided,
    min(key_rank) AS first_rank
FROM
(
    SELECT
        *,
        dense_rank() OVER (ORDER BY key_users DESC, breakdown_key) AS key_rank,
        key_rank > {breakdown_limit:UInt32} AS is_other,
        if(is_other, emptyArrayString(), breakdown_key) AS shown_key
    FROM
    (
        SELECT
            *,
            sum(cell_users[1]) OVER (PARTITION BY breakdown_key) AS key_users
        FROM
        (
            SELECT
                breakdown_key,
                period_ms,
                sumForEach(arrayMap(step -> toUInt64({{has_step}}), range(1, {steps:UInt8} + 1))) AS cell_users,
                quantileExactInclusiveForEachState(0.5)(step_ms) AS cell_median_ms,
                avgForEachState(step_ms) AS cell_average_ms,
                quantileExactInclusiveForEachState(0.5)(from_first_ms) AS cell_median_from_first_ms,
                avgForEachState(from_first_ms) AS cell_average_from_first_ms,
                sumMap(step_bins) AS cell_histogram,
                sum(undecided) AS cell_undecided
            FROM
            (
                SELECT
                    *,
                    mapFromArrays(bins, arrayMap(bin -> toUInt64(1), bins)) AS step_bins
                FROM
                (
                    SELECT
                        *,
                        arrayMap(
                            (bin_from_ms, step) -> toUInt32(step * 100 + indexOf({histogram_from_ms:Array(Int64)}, bin_from_ms)),
                            arrayMap(passed_ms -> roundDown(passed_ms, {histogram_from_ms:Array(Int64)}), passed_step_ms),
                            {{timed_steps}}
                        ) AS bins
                    FROM
                    (
                        SELECT
                            *,
                            {{step_ms}} AS step_ms,
                            {{from_first_ms}} AS from_first_ms
                        FROM
                        (
                            SELECT
                                *,
                                arrayPopFront(arrayDifference(chain_at_ms)) AS passed_step_ms,
                                arrayPopFront(arrayMap(at -> at - chain_at_ms[1], chain_at_ms)) AS passed_first_ms
                            FROM
                            (
                                {{users}}
                            )
                        )
                    )
                )
            )
            GROUP BY
                breakdown_key,
                period_ms
        )
    )
)
GROUP BY GROUPING SETS ((), (is_other, shown_key), (period_ms), (is_other, shown_key, period_ms))
ORDER BY
    all_keys DESC,
    all_periods DESC,
    is_other,
    first_rank,
    period_ms
