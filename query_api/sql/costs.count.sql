-- costs.count: how many rows there are on some days.  Caller: query_api/costs.py delete()
-- Params: project String; app_ids Array(String); from_day, to_day Date (both included)
-- Rows:   rows UInt64
SELECT count() AS rows
FROM costs FINAL
WHERE project = {project:String}
    AND app_id IN {app_ids:Array(String)}
    AND day >= {from_day:Date}
    AND day <= {to_day:Date}
    AND is_deleted = 0
