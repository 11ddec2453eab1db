-- source.events_latest: events with their person, identity "latest".  Caller: query_api/source.py events()
-- Params: app_ids Array(String); from_ms, to_ms Int64 (epoch ms, end exclusive); fragments where (a condition), persons (source.map_*)
-- Rows:   all columns of events and user UInt64; columns that nobody reads are not read from disk
-- Source: duplicates collapse under FINAL. ids absent in identity_map are persons by themselves.
SELECT
    e.*,
    if(m.person != 0, m.person, e.actor) AS user
FROM
(
    SELECT *
    FROM events FINAL
    WHERE app_id IN {app_ids:Array(String)}
        AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
        AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        AND ({{where}})
) AS e
ANY LEFT JOIN
(
    {{persons}}
) AS m ON e.actor = m.id_key
