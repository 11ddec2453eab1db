-- layers.users: the users of a cell.  Caller: query_api/layers/__init__.py users()
-- Params: from_leaves, to_leaves Array(UInt16), moved Bool; fragment flow (layers.flow)
-- Rows:   user UInt64, each once
-- Source: the same rows that layers.counts counts.
SELECT user
FROM
(
    {{flow}}
)
WHERE has({from_leaves:Array(UInt16)}, from_leaf)
    AND has({to_leaves:Array(UInt16)}, to_leaf)
    AND (from_leaf != to_leaf OR NOT {moved:Bool})
