-- paths.way_end: back from the last end event of the session.  Caller: query_api/paths.py _steps()
-- Params: none; over session of paths.walks
-- Rows:   Array(Tuple(String, String)), the end first
arrayReverse(
    arrayMap(
        one -> one.3,
        arraySlice(session, 1, arrayLastIndex(one -> one.2, session))
    )
)
