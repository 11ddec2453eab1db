-- exchange.out: who was sent to which partner.  Caller: query_api/exchange.py _out()
-- Params: fragments key (packed: the partner, then the breakdown), source (the events that send users out)
-- Rows:   user UInt64, key String, each pair once; exits UInt64
SELECT
    user,
    key,
    count() AS exits
FROM
(
    SELECT
        user,
        {{key}} AS key
    FROM
    (
        {{source}}
    )
)
GROUP BY
    user,
    key
