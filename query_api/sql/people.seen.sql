-- people.seen: what the events of some persons say of them.  Caller: query_api/people.py, profile.py
-- Params: fragments source (a SELECT of events with user), ids (people.ids)
-- Rows:   events UInt64; first_ms, last_ms Int64; app_ids, platforms Array(String); ids Array(kind, app_id, id)
-- Source: one row over all events of the source.
SELECT
    count() AS events,
    min(toUnixTimestamp64Milli(occurred_at)) AS first_ms,
    max(toUnixTimestamp64Milli(occurred_at)) AS last_ms,
    arraySort(groupUniqArray(toString(app_id))) AS app_ids,
    arraySort(groupUniqArray(toString(platform))) AS platforms,
    arraySort(groupUniqArrayArray({{ids}})) AS ids
FROM
(
    {{source}}
)
