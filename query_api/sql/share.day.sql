-- share.day: the day of an event.  Caller: query_api/share_sql.py
-- Params: days Array(Int64) (epoch ms where the days of the range begin)
-- Rows:   a column of a SELECT over events, Int64
-- Source: what is counted by day lies in groups of one day.
roundDown(toUnixTimestamp64Milli(occurred_at), {days:Array(Int64)}) AS day
