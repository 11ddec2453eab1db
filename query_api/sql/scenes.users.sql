-- scenes.users: the users of a cell.  Caller: query_api/scenes.py users()
-- Params: those of scenes.user_metrics; cell_key String (as scenes.counts gives it); fragments user_metrics, metric (one of its columns)
-- Rows:   user UInt64, each once
-- Source: the same rows that scenes.counts adds up.
SELECT user
FROM
(
    {{user_metrics}}
)
WHERE key = {cell_key:String}
    AND {{metric}} > 0
