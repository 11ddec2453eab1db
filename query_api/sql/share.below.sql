-- share.below: the cards of one share_id and all cards below them.  Caller: query_api/share_sql.py
-- Params: root String; max_depth UInt32; table given
-- Rows:   card UInt64, each once
SELECT DISTINCT card
FROM
(
    WITH RECURSIVE level AS
    (
        SELECT card
        FROM given
        WHERE card IN (SELECT sipHash64(arrayJoin({app_ids:Array(String)}), {root:String}))
        UNION ALL
        SELECT given.card AS card
        FROM given
        INNER JOIN level ON given.up = level.card
        WHERE given.depth <= {max_depth:UInt32}
    )
    SELECT *
    FROM level
)
