-- attributes.visits: what follows from all events of every person.  Caller: query_api/attributes.py joined()
-- Params: fragments source (all events), columns (aggregates over at_ms, is_entry and the columns of events)
-- Rows:   user UInt64, and the columns
-- Source: an entry event is an app_launch or app_show; the first and the last in the order of events.
SELECT
    user,
    {{columns}}
FROM
(
    SELECT
        *,
        toUnixTimestamp64Milli(occurred_at) AS at_ms,
        event IN ('app_launch', 'app_show') AS is_entry
    FROM
    (
        {{source}}
    )
)
GROUP BY user
