-- retention.cells_measured: the cells of a row of users, or the cell of one of a measure.  Caller: query_api/retention.py _counted()
-- Params: fragment cells (retention.cells)
-- Rows:   Array(Int32): cells of retention.counts
if(measured_period = -1, {{cells}}, [toInt32(100000 + measured_period)])
