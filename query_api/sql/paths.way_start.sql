-- paths.way_start: from the first start event of the session on.  Caller: query_api/paths.py _steps()
-- Params: none; over marks of paths.walks
-- Rows:   Array(UInt64), the start first
arraySlice(marks, arrayFirstIndex(mark -> bitTest(mark, 51), marks))
