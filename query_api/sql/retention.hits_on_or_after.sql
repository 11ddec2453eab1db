-- retention.hits_on_or_after: columns n with a returning event in period n or later.
-- Caller: query_api/retention_sql.py cells_of_sql()
-- Params: none
-- Rows:   Array(Int32): 0 up to the last period with a returning event
arrayMap(
    n -> toInt32(n),
    range(if(empty(returns), 0, arrayMax(returns) + 1))
)
