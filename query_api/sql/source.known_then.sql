-- source.known_then: the condition that an event had been received.  Caller: query_api/source.py events()
-- Params: as_of_ms Int64 (epoch ms, included)
-- Rows:   an expression over the columns of events, after FINAL
-- Source: of copies the first received stays, so a later copy can hide none that was known.
received_at <= fromUnixTimestamp64Milli({as_of_ms:Int64}, 'UTC')
