-- part_sizes.weeks: how large the largest week is, and what its parts may become.  Caller: collector/part_sizes.py adapt()
-- Params: none
-- Rows:   one; name String (events, or events_local of a cluster), week_bytes UInt64 (compressed), most_bytes UInt64 (the table's
--         max_bytes_to_merge_at_max_space_in_pool; 0: not set)
SELECT
    name,
    (
        SELECT max(bytes)
        FROM
        (
            SELECT sum(bytes_on_disk) AS bytes
            FROM system.parts
            WHERE active AND database = currentDatabase() AND table IN ('events', 'events_local')
            GROUP BY partition_id
        )
    ) AS week_bytes,
    toUInt64OrZero(extract(engine_full, 'max_bytes_to_merge_at_max_space_in_pool = (\\d+)')) AS most_bytes
FROM system.tables
WHERE database = currentDatabase() AND name IN ('events', 'events_local') AND engine LIKE '%MergeTree'
