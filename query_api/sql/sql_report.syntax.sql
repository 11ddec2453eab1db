-- sql_report.syntax: how ClickHouse reads a statement; nothing of it is carried out.  Caller: query_api/sql_report.py _check()
-- Params: fragment statement (its tokens are checked already)
-- Rows:   a line of the syntax tree, indented by its depth
EXPLAIN AST
{{statement}}
