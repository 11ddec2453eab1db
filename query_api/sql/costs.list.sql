-- costs.list: a page of imported costs.  Caller: query_api/costs.py stored()
-- Params: project String; app_ids Array(String); from_day, to_day Date (both included); limit, offset UInt64
-- Rows:   day Date, app_id, key_fields, key_values, amount Decimal, currency, clicks, impressions; total UInt64 (of all pages)
-- Source: the newest version of each key counts; a deleted one is gone.
SELECT
    day,
    app_id,
    key_fields,
    key_values,
    amount,
    currency,
    clicks,
    impressions,
    count() OVER () AS total
FROM costs FINAL
WHERE project = {project:String}
    AND app_id IN {app_ids:Array(String)}
    AND day >= {from_day:Date}
    AND day <= {to_day:Date}
    AND is_deleted = 0
ORDER BY
    day,
    app_id,
    key_fields,
    key_values
LIMIT {limit:UInt64}
OFFSET {offset:UInt64}
