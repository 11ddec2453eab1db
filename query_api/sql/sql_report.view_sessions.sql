-- sql_report.view_sessions: the view `sessions`: one row for each session.  Caller: query_api/sql_report.py
-- Params: fragment source (source.sessions)
-- Rows:   user UInt64, app_id, session_id ('' where it was cut by silence), started_at, ended_at DateTime64(3), events, page_views
--         UInt64, platform, scene, share_id (of the first event that has one), entry_page, exit_page String
SELECT
    user,
    app_id,
    session_id,
    min(occurred_at) AS started_at,
    max(occurred_at) AS ended_at,
    count() AS events,
    countIf(event = 'page_view') AS page_views,
    argMin(platform, (at, seq, event_id)) AS platform,
    argMinIf(scene, (at, seq, event_id), scene != '') AS scene,
    argMinIf(share_id, (at, seq, event_id), share_id != '') AS share_id,
    argMinIf(page, (at, seq, event_id), event = 'page_view') AS entry_page,
    argMaxIf(page, (at, seq, event_id), event = 'page_view') AS exit_page
FROM
(
    SELECT
        *,
        occurred_at AS at
    FROM
    (
        {{source}}
    )
)
GROUP BY
    user,
    app_id,
    session_id,
    silent_session_ms
