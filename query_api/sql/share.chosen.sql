-- share.chosen: the users of a cell, chosen from the arrays that the report counts.  Caller: query_api/share.py users()
-- Params: table chosen (user)
-- Rows:   user UInt64, each once
SELECT user
FROM chosen
