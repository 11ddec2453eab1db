-- exchange.users: the users of a cell.  Caller: query_api/exchange.py users()
-- Params: those of rows; cell_key String (packed; empty: all partners); fragment rows (a SELECT of user and key)
-- Rows:   user UInt64, each once
-- Source: the same rows that the counts come from.
SELECT DISTINCT user
FROM
(
    {{rows}}
)
WHERE if({cell_key:String} = '', key != '' AND NOT startsWith(key, '0:'), key = {cell_key:String})
