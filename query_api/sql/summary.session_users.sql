-- summary.session_users: the users with a session of a period.  Caller: query_api/summary.py users()
-- Params: cell_from_ms, cell_to_ms Int64; fragment source (as that of summary.sessions)
-- Rows:   user UInt64, each once
-- Source: the sessions that summary.activity and summary.sessions count.
SELECT DISTINCT user
FROM
(
    SELECT
        user,
        min(toUnixTimestamp64Milli(occurred_at)) AS first_ms
    FROM
    (
        {{source}}
    )
    GROUP BY
        user,
        app_id,
        session_id,
        silent_session_ms
    HAVING first_ms >= {cell_from_ms:Int64}
        AND first_ms < {cell_to_ms:Int64}
)
