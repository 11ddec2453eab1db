-- paths.way_start: from the first start event of the session on.  Caller: query_api/paths.py _steps()
-- Params: none; over session of paths.walks
-- Rows:   Array(Tuple(String, String)), the start first
arrayMap(
    one -> one.3,
    arraySlice(session, arrayFirstIndex(one -> one.2, session))
)
