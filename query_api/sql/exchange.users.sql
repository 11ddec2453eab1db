-- exchange.users: the users of a cell.  Caller: query_api/exchange.py users()
-- Params: those of exchange.added; cell_key String (packed; empty: the total); fragments added, bit (of what), number (of cell_key)
-- Rows:   user UInt64, each once
-- Source: the same rows that the numbers come from.
SELECT user
FROM
(
    {{added}}
)
WHERE bitTest(what, {{bit}})
    AND number = if({cell_key:String} = '', 0, {{number}})
