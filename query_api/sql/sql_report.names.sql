-- sql_report.names: what a statement must not name: tables and databases as the reader sees them.  Caller: query_api/sql_report.py
-- Params: none
-- Rows:   kind String (table, database), name String
SELECT
    'table' AS kind,
    name
FROM system.tables
WHERE database = currentDatabase()
UNION ALL
SELECT
    'database' AS kind,
    name
FROM system.databases
UNION ALL
SELECT
    'current' AS kind,
    currentDatabase() AS name
