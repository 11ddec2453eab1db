-- retention.measured_by: the users with a measured event in a cell.  Caller: query_api/retention.py users()
-- Params: those of retention.patterns, with measured; cell_cohorts Array(UInt16), cell_from, cell_to UInt16 (periods of the column, both
--         included); fragments patterns, in_key
-- Rows:   user UInt64, each once
-- Source: the same rows that retention.measured counts.
SELECT DISTINCT user
FROM
(
    {{patterns}}
)
WHERE has({cell_cohorts:Array(UInt16)}, cohort)
    AND arrayExists(pair -> pair.1 BETWEEN {cell_from:UInt16} AND {cell_to:UInt16}, measured)
    AND {{in_key}}
