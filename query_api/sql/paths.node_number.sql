-- paths.node_number: a node as a number of 51 bits.  Caller: query_api/paths.py
-- Params: fragments event, value (texts)
-- Rows:   an expression, UInt64
-- Source: two of ten thousand nodes share a number with a chance of 2e-8.
bitAnd(sipHash64({{event}}, {{value}}), 2251799813685247)
