-- interval.pairing_each_start: every start of the stretch.  Caller: query_api/interval.py _pairs()
-- Params: none; over stretch and end_ms of interval.pairs
-- Rows:   Tuple(start_ms Int64, gap_ms Int64, key String), one for each start
arrayJoin(
    arrayMap(
        one -> (one.1, end_ms - one.1, one.3),
        arrayPopBack(stretch)
    )
)
