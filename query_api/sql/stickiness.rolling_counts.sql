-- stickiness.rolling_counts: active users of the last 1, 7 and 30 days for each day.  Caller: query_api/stickiness.py answer()
-- Params: those of stickiness.rolling; fragment rolling
-- Rows:   day UInt16, days UInt8, users UInt64; days without users are absent
-- Source: each row of stickiness.rolling is one user.
SELECT
    day,
    days,
    count() AS users
FROM
(
    {{rolling}}
)
GROUP BY
    day,
    days
