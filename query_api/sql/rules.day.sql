-- rules.day: the day of an event.  Caller: query_api/rules.py Compiler._did()
-- Params: days Array(UInt32) (starts of the calendar days in minutes since the epoch)
-- Rows:   an expression over the columns of events, with its name: day UInt32
-- Source: clocks change, so a day is found by its start.
roundDown(toUInt32(intDiv(toUnixTimestamp64Milli(occurred_at), 60000)), {days:Array(UInt32)}) AS day
