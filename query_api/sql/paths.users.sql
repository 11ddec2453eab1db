-- paths.users: the users of a node, of a link or of those who stop at a node.  Caller: query_api/paths.py users()
-- Params: those of paths.folded; fragments folded, in_cell (a condition)
-- Rows:   user UInt64, each once
-- Source: the same steps and the same top nodes that paths.counts counts.
SELECT user
FROM
(
    {{folded}}
)
WHERE {{in_cell}}
GROUP BY user
