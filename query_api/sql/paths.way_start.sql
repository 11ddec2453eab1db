-- paths.way_start: from the first start event of the session on.  Caller: query_api/paths.py _sql()
-- Params: none; over session (marks) of paths.flows
-- Rows:   Array(UInt64), the start first
arraySlice(session, arrayFirstIndex(mark -> bitTest(mark, 51), session))
