-- interval.pairing_last_start: the last start before the end.  Caller: query_api/interval.py _pairs()
-- Params: none; over stretch and end_ms of interval.pairs
-- Rows:   Tuple(start_ms Int64, gap_ms Int64, key String); an end without a start gives none
arrayJoin(
    arrayMap(
        one -> (one.1, end_ms - one.1, one.3),
        arraySlice(arrayPopBack(stretch), -1)
    )
)
