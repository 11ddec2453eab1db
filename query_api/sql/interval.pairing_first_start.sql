-- interval.pairing_first_start: the first start of the stretch that is not too old.  Caller: query_api/interval.py _pairs()
-- Params: max_gap_ms Int64; over stretch and end_ms of interval.pairs
-- Rows:   Tuple(start_ms Int64, gap_ms Int64, key String); an end without a start gives none
arrayJoin(
    arrayMap(
        one -> (one.1, end_ms - one.1, one.3),
        arraySlice(
            arrayFilter(
                one -> end_ms - one.1 <= {max_gap_ms:Int64},
                arrayPopBack(stretch)
            ),
            1,
            1
        )
    )
)
