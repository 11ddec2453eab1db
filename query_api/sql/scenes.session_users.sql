-- scenes.session_users: the users with a session of a row.  Caller: query_api/scenes.py users()
-- Params: those of scenes.sessions_cut; range_from_ms, range_to_ms Int64 (epoch ms, end exclusive), cell_key String (packed; empty: the
--         total); fragments sessions (scenes.sessions_cut), in_cell (a condition)
-- Rows:   user UInt64, each once
-- Source: the sessions that scenes.sessions counts.
SELECT DISTINCT user
FROM
(
    {{sessions}}
)
WHERE entry != ''
    AND ({cell_key:String} = '' OR entry = {cell_key:String})
    AND first_ms >= {range_from_ms:Int64}
    AND first_ms < {range_to_ms:Int64}
    AND {{in_cell}}
