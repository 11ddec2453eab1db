-- retention.hits_on: mode "on": columns n with a returning event in period n.  Caller: query_api/retention_sql.py cells_of_sql()
-- Params: none
-- Rows:   Array(Int32)
arrayMap(n -> toInt32(n), returns)
