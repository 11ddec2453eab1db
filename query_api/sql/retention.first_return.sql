-- retention.first_return: the cell of the first return after the cohort's own period.
-- Caller: query_api/retention_sql.py cells_of_sql()
-- Params: none
-- Rows:   Array(Int32): 1000 + the first period after the cohort's with a returning event; empty without one
arrayMap(
    n -> toInt32(1000 + n),
    arraySlice(arraySort(arrayFilter(n -> n > 0, returns)), 1, 1)
)
