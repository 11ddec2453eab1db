-- attribution.undecided: whether the cheap number leaves the order of some events open.  Caller: query_api/attribution.py _deciding()
-- Params: fragment chains (attribution.chains)
-- Rows:   one: undecided UInt8
SELECT
    max(undecided) AS undecided
FROM
(
    {{chains}}
)
