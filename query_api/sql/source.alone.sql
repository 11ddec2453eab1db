-- source.alone: events without their person, as a FROM clause.  Caller: query_api/source.py alone()
-- Params: app_ids Array(String); from_ms, to_ms Int64 (epoch ms, end exclusive); fragments joined (source.changes, or nothing), where (a
--         condition)
-- Rows:   all columns of events; columns that nobody reads are not read from disk
-- Source: duplicates collapse under FINAL. No subquery and no join: on a cluster a GROUP BY over it runs on the shards, which send
--         their groups (4 KB for a count by day) and not their rows.
FROM events FINAL{{joined}}
WHERE app_id IN {app_ids:Array(String)}
    AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    AND ({{where}})
