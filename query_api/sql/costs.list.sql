-- costs.list: imported costs, as project_tables.page shows them.  Caller: query_api/costs.py stored()
-- Params: project String; app_ids Array(String); from_day, to_day Date (both included)
-- Rows:   day Date, app_id, key_fields, key_values, amount Decimal, currency, clicks, impressions
-- Source: the newest version of each key counts; a deleted one is gone.
SELECT
    day,
    app_id,
    key_fields,
    key_values,
    amount,
    currency,
    clicks,
    impressions
FROM costs FINAL
WHERE project = {project:String}
    AND app_id IN {app_ids:Array(String)}
    AND day >= {from_day:Date}
    AND day <= {to_day:Date}
    AND is_deleted = 0
