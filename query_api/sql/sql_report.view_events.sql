-- sql_report.view_events: the view `events`: one row for each event, once.  Caller: query_api/sql_report.py
-- Params: fragment source
-- Rows:   columns of the events table without those that only storage needs; user UInt64
SELECT * EXCEPT (project, event_key, actor, precedence)
FROM
(
    {{source}}
)
