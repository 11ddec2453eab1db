-- stickiness.rolling_users: the users of a day's 1, 7 or 30 days.  Caller: query_api/stickiness.py users()
-- Params: those of stickiness.rolling; cell_day UInt16, cell_days UInt8; fragment rolling
-- Rows:   user UInt64, each once
-- Source: the same rows that stickiness.counts counts.
SELECT user
FROM
(
    {{rolling}}
)
WHERE day <= {cell_day:UInt16}
    AND day + least(gap, {cell_days:UInt8}) > {cell_day:UInt16}
