-- retention.users: the users of a cell.  Caller: query_api/retention.py users()
-- Params: those of retention.patterns; cell_cohorts Array(UInt16), wanted, unwanted Array(Int32) (cells as in retention.counts:
--         in all of the ones, in none of the others), never_back_until Array(Int32) (for each of the cohorts: in no cell of a
--         first return below this one); fragments patterns, returns, cells (retention.cells), in_key
-- Rows:   user UInt64, each once
-- Source: the same rows that retention.counts counts.
SELECT DISTINCT user
FROM
(
    SELECT
        user,
        cohort,
        {{cells}} AS cells
    FROM
    (
        SELECT
            user,
            cohort,
            key,
            {{returns}} AS returns
        FROM
        (
            {{patterns}}
        )
        WHERE has({cell_cohorts:Array(UInt16)}, cohort)
    )
    WHERE {{in_key}}
)
WHERE hasAll(cells, {wanted:Array(Int32)})
    AND NOT hasAny(cells, {unwanted:Array(Int32)})
    AND NOT arrayExists(
        cell -> cell > 1000 AND cell < {never_back_until:Array(Int32)}[indexOf({cell_cohorts:Array(UInt16)}, cohort)],
        cells
    )
