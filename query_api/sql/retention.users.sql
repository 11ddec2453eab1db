-- retention.users: the users of a cell.  Caller: query_api/retention.py users()
-- Params: those of retention.cells; cell_cohort UInt16, cell_number Int32 (-1: the cohort), lost Bool; fragments cells, in_key
-- Rows:   user UInt64, each once; lost: those of the cohort who are not in the cell
-- Source: the same rows that retention.counts counts.
SELECT user
FROM
(
    {{cells}}
)
WHERE cohort = {cell_cohort:UInt16}
    AND cell IN (-1, {cell_number:Int32})
    AND {{in_key}}
GROUP BY user
HAVING if({lost:Bool}, max(cell) = -1, max(cell) = {cell_number:Int32})
