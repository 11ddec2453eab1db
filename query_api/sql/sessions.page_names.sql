-- sessions.page_names: the pages behind the numbers.  Caller: query_api/sessions.py _series()
-- Params: app_ids Array(String); from_ms, to_ms Int64 (epoch ms, end exclusive), as the source of the events; fragment page_number
-- Rows:   page_name String, page_number UInt64
-- Source: copies of events name no other pages, so nothing has to be merged.
SELECT
    toString(page) AS page_name,
    {{page_number}} AS page_number
FROM events
WHERE app_id IN {app_ids:Array(String)}
    AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
GROUP BY page
