-- editor.exists: is there a table of a name.  Caller: query_api/editor.py _everywhere()
-- Params: table String
-- Rows:   one; found UInt64, 0 or 1
-- Source: a user sees the tables that it may read or write.
SELECT count() AS found
FROM system.tables
WHERE database = currentDatabase()
    AND name = {table:String}
