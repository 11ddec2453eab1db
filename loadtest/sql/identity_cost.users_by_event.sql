-- identity_cost.users_by_event: the person of each event, then its events.  Caller: loadtest/identity_cost.py
-- Params: fragments person (of the event e), persons (a join), events (identity_cost.events)
-- Rows:   user UInt64, numbers Array(UInt128)
-- Source: query_api/sql/source.events_latest.sql
SELECT
    user,
    groupArray(number) AS numbers
FROM
(
    SELECT
        {{person}} AS user,
        e.number AS number
    FROM
    (
        SELECT
            actor,
            toUInt128(toUnixTimestamp64Milli(occurred_at)) AS number
        {{events}}
    ) AS e
    {{persons}}
)
GROUP BY user
