-- share.copies: the share events of the apps, copies among them, without persons.  Caller: query_api/share_sql.py names()
-- Params: app_ids Array(String); fragment columns (share.events)
-- Rows:   the columns of events, and these
-- Source: what FINAL drops names nothing else, so nothing is merged and nobody joined.
SELECT
    *,
    {{columns}}
FROM events
WHERE app_id IN {app_ids:Array(String)}
    AND event = 'share'
