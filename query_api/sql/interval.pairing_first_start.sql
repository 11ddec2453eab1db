-- interval.pairing_first_start: the first start of the stretch that is not too old.  Caller: query_api/interval.py _pairs()
-- Params: max_gap_ms Int64; fragment at (of start: order_keys.py); over waiting and end_ms of interval.pairs
-- Rows:   an array of numbers; an end without a start gives none
arraySlice(arrayFilter(start -> end_ms - {{at}} <= {max_gap_ms:Int64}, waiting), 1, 1)
