-- scenes.key_number: the key of a row as a number of 52 bits.  Caller: query_api/scenes.py _sessions()
-- Params: fragment key (packed)
-- Rows:   an expression, UInt64
-- Source: two of ten thousand keys share a number with a chance of 1e-8.
bitAnd(sipHash64({{key}}), 4503599627370495)
