-- sql_report.view_users: the view `users`: one row for each user with an event in the range.  Caller: query_api/sql_report.py
-- Params: fragment source
-- Rows:   user UInt64, first_occurred_at, last_occurred_at DateTime64(3), events UInt64
SELECT
    user,
    min(occurred_at) AS first_occurred_at,
    max(occurred_at) AS last_occurred_at,
    count() AS events
FROM
(
    {{source}}
)
GROUP BY user
