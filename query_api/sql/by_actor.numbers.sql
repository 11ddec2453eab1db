-- by_actor.numbers: the numbers of a set.  Caller: query_api/by_actor.py
-- Params: none
-- Rows:   an expression over the columns of by_actor.set, Array(UInt16)
-- Source: the reverse of by_actor.set.
arrayMap(bit -> toUInt16(64 * word + bit), bitPositionsToArray(bits))
