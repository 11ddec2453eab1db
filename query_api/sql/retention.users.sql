-- retention.users: the users of a cell.  Caller: query_api/retention.py users()
-- Params: those of retention.patterns; cell_cohort UInt16, wanted, unwanted Array(Int32) (cells as in retention.counts: in all
--         of the ones, in none of the others); fragments patterns, returns, hits, first_return, in_key
-- Rows:   user UInt64, each once
-- Source: the same rows that retention.counts counts.
SELECT user
FROM
(
    SELECT
        user,
        arrayConcat([toInt32(-1)], {{hits}}, {{first_return}}) AS cells
    FROM
    (
        SELECT
            user,
            key,
            {{returns}} AS returns
        FROM
        (
            {{patterns}}
        )
        WHERE cohort = {cell_cohort:UInt16}
    )
    WHERE {{in_key}}
)
WHERE hasAll(cells, {wanted:Array(Int32)})
    AND NOT hasAny(cells, {unwanted:Array(Int32)})
