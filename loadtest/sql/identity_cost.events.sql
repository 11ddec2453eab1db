-- identity_cost.events: the events of the log, as a FROM clause.  Caller: loadtest/identity_cost.py
-- Params: app_id String; from_ms, to_ms Int64 (epoch ms, end exclusive)
-- Rows:   columns of events
-- Source: query_api/sql/source.alone.sql
FROM events FINAL
WHERE app_id = {app_id:String}
    AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
