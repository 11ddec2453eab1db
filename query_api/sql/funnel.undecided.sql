-- funnel.undecided: whether the cheap key leaves the order of some events open.  Caller: query_api/funnel.py users()
-- Params: fragment user_events
-- Rows:   one: undecided UInt64, users it concerns
-- Source: DESIGN-funnel.md, "One number for each event".
SELECT
    countIf(undecided) AS undecided
FROM
(
    {{user_events}}
)
