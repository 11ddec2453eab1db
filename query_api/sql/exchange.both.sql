-- exchange.both: who came from a partner and was sent there.  Caller: query_api/exchange.py _both()
-- Params: those of exchange.out; fragments key (packed: the partner, then the breakdown), entries (a source of entry events of the
--         range with a partner), out (exchange.out)
-- Rows:   user UInt64, key String, each pair once
-- Source: who came are the pairs that scenes.user_metrics gives for the metric "users".
SELECT
    user,
    key
FROM
(
    SELECT DISTINCT
        user,
        {{key}} AS key
    FROM
    (
        {{entries}}
    )
)
WHERE (user, key) IN
(
    SELECT
        user,
        key
    FROM
    (
        {{out}}
    )
)
