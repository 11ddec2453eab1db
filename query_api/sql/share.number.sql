-- share.number: the number of a text.  Caller: query_api/share_sql.py
-- Params: text String
-- Rows:   one: number UInt64
SELECT xxh3({text:String}) AS number
