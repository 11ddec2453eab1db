-- ltv.users: the users of a cell.  Caller: query_api/ltv.py users()
-- Params: those of ltv.cells; cell_cohorts Array(UInt16), cell_period Int32 (-1: the whole cohort); fragments cells, in_key
-- Rows:   user UInt64, each once
-- Source: the same rows that ltv.counts counts.
SELECT user
FROM
(
    {{cells}}
)
WHERE has({cell_cohorts:Array(UInt16)}, cohort)
    AND if({cell_period:Int32} = -1, cell = -1, is_first AND cell <= {cell_period:Int32})
    AND {{in_key}}
