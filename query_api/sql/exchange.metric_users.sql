-- exchange.metric_users: the users of a metric of those who come.  Caller: query_api/exchange.py users()
-- Params: those of scenes.user_metrics; fragments user_metrics, metric (one of its columns)
-- Rows:   user UInt64, key String, each pair once
SELECT
    user,
    key
FROM
(
    {{user_metrics}}
)
WHERE {{metric}} > 0
