-- console.quality_refused: refused events by reason.  Caller: query_api/console/arrivals.py quality()
-- Params: app_ids Array(String), since_ms Int64 (arrival)
-- Rows:   app_id, code, field (path without indexes), events UInt64, redriven UInt64, first_ms, last_ms Int64, message and raw of the latest
-- Source: dead_letters
SELECT
    app_id,
    code,
    replaceRegexpAll(path, '\\[[0-9]+\\]', '[]') AS field,
    count() AS events,
    countIf(redriven_at > 0) AS redriven,
    min(toUnixTimestamp64Milli(received_at)) AS first_ms,
    max(toUnixTimestamp64Milli(received_at)) AS last_ms,
    argMax(message, received_at) AS message,
    leftUTF8(argMax(raw, received_at), 2000) AS raw
FROM dead_letters FINAL
WHERE app_id IN {app_ids:Array(String)}
    AND received_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
GROUP BY
    app_id,
    code,
    field
ORDER BY
    events DESC,
    app_id,
    code,
    field
LIMIT 500
