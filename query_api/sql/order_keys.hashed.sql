-- order_keys.hashed: texts as a number that fits below the order of an event.  Caller: query_api/order_keys.py hashed()
-- Params: fragments texts (expressions, with commas between), largest (2^n - 1)
-- Rows:   an expression, UInt64
-- Source: two of ten thousand texts share a number of 52 bits with a chance of 1e-8, of 51 bits of 2e-8.
bitAnd(sipHash64({{texts}}), {{largest}})
