-- costs.sums: what channels cost.  Caller: query_api/costs.py spent()
-- Params: project String; app_ids, key_fields Array(String); from_day, to_day Date (both included)
-- Rows:   app_id String, key_values Array(String), currency String, amount Decimal, clicks, impressions UInt64
-- Source: only rows whose key has exactly these fields: sums of finer ones would count twice.
SELECT
    app_id,
    key_values,
    currency,
    sum(amount) AS amount,
    sum(clicks) AS clicks,
    sum(impressions) AS impressions
FROM costs FINAL
WHERE project = {project:String}
    AND app_id IN {app_ids:Array(String)}
    AND day >= {from_day:Date}
    AND day <= {to_day:Date}
    AND arrayMap(field -> toString(field), key_fields) = {key_fields:Array(String)}
    AND is_deleted = 0
GROUP BY
    app_id,
    key_values,
    currency
