-- paths.way_end: back from the last end event of the session.  Caller: query_api/paths.py _steps()
-- Params: none; over marks of paths.walks
-- Rows:   Array(UInt64), the end first
arrayReverse(arraySlice(marks, 1, arrayLastIndex(mark -> bitTest(mark, 51), marks)))
