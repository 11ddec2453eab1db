-- messages.campaigns: the campaigns that have messages, as project_tables.page shows them.  Caller: query_api/messages.py campaigns()
-- Params: project String; app_ids Array(String)
-- Rows:   app_id, campaign String; treated, hold_out UInt64 (rows); first_ms, last_ms Int64 (epoch ms)
-- Source: the newest version of each row counts; a deleted one is gone.
SELECT
    app_id,
    campaign,
    countIf(arm = 'treated') AS treated,
    countIf(arm = 'hold_out') AS hold_out,
    toUnixTimestamp64Milli(min(sent_at)) AS first_ms,
    toUnixTimestamp64Milli(max(sent_at)) AS last_ms
FROM messages FINAL
WHERE project = {project:String}
    AND app_id IN {app_ids:Array(String)}
    AND is_deleted = 0
GROUP BY
    app_id,
    campaign
