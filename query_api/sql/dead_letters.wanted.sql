-- dead_letters.wanted: which refused events are counted and listed.  Caller: query_api/dead_letters.py
-- Params: app_ids Array(String); code String, '' is any; any_field Bool, field String (path without indexes); since_ms, until_ms Int64 (arrival, end
--         excluded); with_redriven, only_redriven Bool
-- Rows:   a condition over dead_letters
app_id IN {app_ids:Array(String)}
AND (code = {code:String} OR {code:String} = '')
AND ({any_field:Bool} OR replaceRegexpAll(path, '\\[[0-9]+\\]', '[]') = {field:String})
AND received_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
AND toUnixTimestamp64Milli(received_at) < {until_ms:Int64}
AND if(redriven_at = toDateTime64(0, 3, 'UTC'), NOT {only_redriven:Bool}, {with_redriven:Bool})
