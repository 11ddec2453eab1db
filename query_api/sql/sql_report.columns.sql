-- sql_report.columns: the columns of a statement; nothing is read.  Caller: query_api/sql_report.py _described()
-- Params: those of the statement (sql_report.statement), which is the fragment statement
-- Rows:   name, type String
DESCRIBE TABLE
(
{{statement}}
)
