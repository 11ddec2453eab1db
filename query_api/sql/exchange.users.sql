-- exchange.users: the users of a cell.  Caller: query_api/exchange.py users()
-- Params: those of rows; cell_key String (packed; empty: the total); fragments rows (a SELECT of user and key), in_cell (condition on the key)
-- Rows:   user UInt64, each once
-- Source: the same rows that the counts come from.
SELECT DISTINCT user
FROM
(
    {{rows}}
)
WHERE {{in_cell}}
