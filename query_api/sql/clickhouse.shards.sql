-- clickhouse.shards: which shards of the cluster do not answer.  Caller: query_api/clickhouse.py missing_shards()
-- Params: none; skip_unavailable_shards must be 1
-- Rows:   one; missing Array(UInt32): numbers of the shards, 1 for the first
-- Source: `cluster_shards` reads a table that has rows on every node. There are never fewer shards than there were.
SELECT
    arrayFilter(
        shard -> NOT has((SELECT groupUniqArray(_shard_num) FROM cluster_shards), shard),
        range(1, (SELECT max(shards) + 1 FROM shard_layouts))
    ) AS missing
