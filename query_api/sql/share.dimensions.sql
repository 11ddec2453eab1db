-- share.dimensions: the rows of the answer that a fact counts in (an expression over share.facts).  Caller: query_api/share_sql.py
-- Params: dimensions Array(String) (which are asked for), starts Array(Int64)
--         (epoch ms of the days); fragment folded (key, or "other")
-- Rows:   Array of (dimension, value Array(String)); the group is that of the opening, so shares have none
arrayFilter(
    dimension -> has({dimensions:Array(String)}, dimension.1),
    arrayConcat(
        [
            ('total', emptyArrayString()),
            ('depth', [toString(depth)]),
            ('page', [page]),
            ('channel', [channel]),
            ('day', [toString(roundDown(at_ms, {starts:Array(Int64)}))])
        ],
        if(kind = 1, [], [('group', [group_id])]),
        [('breakdown', {{folded}})]
    )
)
