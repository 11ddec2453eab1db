-- dead_letters.counts: refused events by reason.  Caller: query_api/dead_letters.py counts()
-- Params: those of dead_letters.wanted; fragment wanted
-- Rows:   app_id, code, field (path without indexes), events, redriven UInt64, first_ms, last_ms Int64, message of the latest; at most 1,000
-- Source: dead_letters
SELECT
    app_id,
    code,
    replaceRegexpAll(path, '\\[[0-9]+\\]', '[]') AS field,
    count() AS events,
    countIf(redriven_at > toDateTime64(0, 3, 'UTC')) AS redriven,
    min(toUnixTimestamp64Milli(received_at)) AS first_ms,
    max(toUnixTimestamp64Milli(received_at)) AS last_ms,
    argMax(message, received_at) AS message
FROM dead_letters FINAL
WHERE
    {{wanted}}
GROUP BY
    app_id,
    code,
    field
ORDER BY
    events DESC,
    app_id,
    code,
    field
LIMIT 1000
