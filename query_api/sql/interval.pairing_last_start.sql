-- interval.pairing_last_start: the last start before the end.  Caller: query_api/interval.py _pairs()
-- Params: none; over waiting of interval.pairs
-- Rows:   an array of numbers; an end without a start gives none
arraySlice(waiting, -1)
