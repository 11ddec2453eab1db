-- order_keys.undecided: whether the number leaves the order of some events open.  Caller: query_api/report.py Ask.deciding()
-- Params: fragment rows (a SELECT with undecided)
-- Rows:   one: undecided UInt8
SELECT
    max(undecided) AS undecided
FROM
(
    {{rows}}
)
