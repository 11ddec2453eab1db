-- share.users: the users of a cell.  Caller: query_api/share.py users()
-- Params: those of share.with; cell_dimension String, cell_value Array(String), cell_kind UInt8, cell_new Bool, cell_sharer UInt64
--         (0: any); fragment dimensions
-- Rows:   user UInt64, each once
-- Source: the same facts that share.counts counts.
SELECT DISTINCT user
FROM facts
WHERE kind = {cell_kind:UInt8}
    AND (is_new OR NOT {cell_new:Bool})
    AND ({cell_sharer:UInt64} = 0 OR sharer = {cell_sharer:UInt64})
    AND has({{dimensions}}, ({cell_dimension:String}, {cell_value:Array(String)}))
