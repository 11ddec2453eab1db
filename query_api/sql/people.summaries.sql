-- people.summaries: what a list shows beside each user.  Caller: query_api/people.py with_summaries()
-- Params: fragments source (the users' events), ids (people.ids), fields (a key of attributes, the same on all events of a user)
-- Rows:   user UInt64; events UInt64; first_ms, last_ms Int64; platforms Array(String); ids; fields Array(String)
-- Source: ids are those that stand in the user's events.
SELECT
    user,
    count() AS events,
    min(toUnixTimestamp64Milli(occurred_at)) AS first_ms,
    max(toUnixTimestamp64Milli(occurred_at)) AS last_ms,
    arraySort(groupUniqArray(toString(platform))) AS platforms,
    arraySort(groupUniqArrayArray(100)({{ids}})) AS ids,
    any({{fields}}) AS fields
FROM
(
    {{source}}
)
GROUP BY user
