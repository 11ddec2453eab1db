-- exchange.both: who came from a partner and was sent there.  Caller: query_api/exchange.py _both()
-- Params: those of scenes.user_metrics and exchange.out; fragments user_metrics, out
-- Rows:   user UInt64, key String, each pair once
SELECT
    m.user AS user,
    m.key AS key
FROM
(
    {{user_metrics}}
) AS m
INNER JOIN
(
    {{out}}
) AS o ON m.user = o.user AND m.key = o.key
WHERE m.metric = 'users'
