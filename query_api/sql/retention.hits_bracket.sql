-- retention.hits_bracket: mode "bracket": columns with a returning event in one of the periods of the bracket.
-- Caller: query_api/retention_sql.py cells_of_sql()
-- Params: column_from, column_to Array(UInt16): periods after the cohort's, both included
-- Rows:   Array(Int32)
arrayFilter(
    column -> arrayExists(
        n -> n BETWEEN {column_from:Array(UInt16)}[column + 1] AND {column_to:Array(UInt16)}[column + 1], returns
    ),
    arrayMap(column -> toInt32(column), range(length({column_from:Array(UInt16)})))
)
