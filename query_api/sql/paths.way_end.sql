-- paths.way_end: back from the last end event of the session.  Caller: query_api/paths.py _sql()
-- Params: none; over session (marks) of paths.flows
-- Rows:   Array(UInt64), the end first
arrayReverse(arraySlice(session, 1, arrayLastIndex(mark -> bitTest(mark, 51), session)))
