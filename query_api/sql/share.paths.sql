-- share.paths: for every card the sharers of it and of the cards above it, each once.  Caller: query_api/share_sql.py
-- Params: max_depth UInt32; table given
-- Rows:   card UInt64, path Array(UInt64)
-- Source: level by level; each looks for the cards below the last level's.
SELECT *
FROM
(
    WITH RECURSIVE level AS
    (
        SELECT
            card,
            [sharer] AS path
        FROM given
        WHERE up = 0
        UNION ALL
        SELECT
            given.card AS card,
            if(has(level.path, given.sharer), level.path, arrayPushBack(level.path, given.sharer)) AS path
        FROM given
        INNER JOIN level ON given.up = level.card
        WHERE given.depth <= {max_depth:UInt32}
    )
    SELECT *
    FROM level
)
