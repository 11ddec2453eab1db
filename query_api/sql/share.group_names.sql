-- share.group_names: the group_ids behind the numbers of share.visits.  Caller: query_api/share_sql.py
-- Params: app_ids Array(String); any_to_ms Int64 (epoch ms, end exclusive); table wanted (number); fragment entry (a condition)
-- Rows:   number UInt64, text String, each once
-- Source: copies of events name nothing else, so nothing has to be merged.
SELECT
    xxh3(group_id) AS number,
    group_id AS text
FROM events
WHERE app_id IN {app_ids:Array(String)}
    AND occurred_at < fromUnixTimestamp64Milli({any_to_ms:Int64}, 'UTC')
    AND {{entry}}
    AND xxh3(group_id) IN (SELECT number FROM wanted)
GROUP BY
    number,
    text
