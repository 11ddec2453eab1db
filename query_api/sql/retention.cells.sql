-- retention.cells: the cells in which the users of a pattern are.  Caller: query_api/retention_sql.py cells_of_sql()
-- Params: fragments hits (retention.hits_*), first_return
-- Rows:   Array(Int32): cells of retention.counts
arrayConcat([toInt32(-1)], {{hits}}, {{first_return}})
