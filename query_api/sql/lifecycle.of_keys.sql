-- lifecycle.of_keys: users of every state in every period, by all keys.  Caller: query_api/lifecycle.py _counted()
-- Params: those of lifecycle.states; fragment states
-- Rows:   period UInt16, state UInt8, key String (packed), users UInt64; those without users are absent
-- Source: each row of lifecycle.states is one user.
SELECT
    period,
    state,
    key,
    count() AS users
FROM
(
    {{states}}
)
GROUP BY
    period,
    state,
    key
