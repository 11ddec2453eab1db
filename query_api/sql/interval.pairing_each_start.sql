-- interval.pairing_each_start: every start of the stretch.  Caller: query_api/interval.py _pairs()
-- Params: none; over waiting of interval.pairs
-- Rows:   an array of numbers
waiting
