-- clickhouse.is_sharded: whether events lie on several servers.  Caller: query_api/clickhouse.py look_for_shards()
-- Params: none
-- Rows:   one; is_sharded UInt8
-- Source: only a cluster has the table (collector/cluster.py).
SELECT count() AS is_sharded
FROM system.tables
WHERE database = currentDatabase()
    AND name = 'cluster_shards'
