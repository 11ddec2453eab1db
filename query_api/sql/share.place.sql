-- share.place: the place of an event in its user's order: epoch ms, and 20 bits of seq.  Caller: query_api/share_sql.py
-- Params: none
-- Rows:   an expression over the columns of events, UInt64
-- Source: two events of one place are in no order; where that matters share.placed_rank has it.
bitShiftLeft(toUInt64(toUnixTimestamp64Milli(occurred_at)), 20) + least(seq, 1048575)
