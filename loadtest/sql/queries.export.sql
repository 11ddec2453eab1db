-- queries.export: the events as another database would be given them.  Caller: loadtest/duck.py
-- Params: app_id String
-- Rows:   one per event: person UInt64, at_ms Int64, event, session_id, city String, price Nullable(Float64); as Parquet
-- Source: copies are collapsed and persons joined already, so what stands beside us has that work done for it
SELECT
    if(m.person != 0, m.person, e.actor) AS person,
    toUnixTimestamp64Milli(e.occurred_at) AS at_ms,
    toString(e.event) AS event,
    e.session_id AS session_id,
    e.properties_text['city'] AS city,
    if(mapContains(e.properties_number, 'price'), e.properties_number['price'], NULL) AS price
FROM events AS e FINAL
ANY LEFT JOIN (SELECT id_key, person FROM identity_map FINAL) AS m ON m.id_key = e.actor
WHERE e.app_id = {app_id:String}
FORMAT Parquet
SETTINGS do_not_merge_across_partitions_select_final = 1
