-- exchange.over: rows that are made of the events of the report.  Caller: query_api/exchange.py users(), _came()
-- Params: fragments events (exchange.events), rows (a SELECT over exchanged)
-- Rows:   those of rows
-- Source: for lists; the numbers have all their rows from one pass (exchange.counts).
WITH exchanged AS
(
    {{events}}
)
SELECT *
FROM
(
    {{rows}}
)
