-- by_actor.set: the set of the small numbers of an actor's events.  Caller: query_api/by_actor.py
-- Params: fragment number (an expression over the columns of events, UInt16)
-- Rows:   columns of a SELECT with GROUP BY word: word UInt16, bits UInt64
-- Source: 64 numbers to a word: 30 days of a person are 10 bytes, and a bit costs less to set than an element.
toUInt16(intDiv({{number}}, 64)) AS word,
groupBitOr(bitShiftLeft(toUInt64(1), {{number}} % 64)) AS bits
