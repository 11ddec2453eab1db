-- profile.entries: the first or last entry events of a person.  Caller: query_api/profile.py answer()
-- Params: fragments source (the person's events), scene_group (expression), direction (ASC or DESC, of the code)
-- Rows:   where the person came from; at most one
-- Source: an entry event is an app_launch or app_show; the order of events: occurred_at, seq, event_id.
SELECT
    event,
    event_id,
    app_id,
    platform,
    toUnixTimestamp64Milli(occurred_at) AS at_ms,
    seq,
    scene,
    {{scene_group}} AS scene_group,
    utm_source,
    utm_medium,
    utm_campaign,
    utm_term,
    utm_content,
    share_id,
    referrer_app_id,
    page
FROM
(
    {{source}}
)
WHERE event IN ('app_launch', 'app_show')
ORDER BY
    at_ms {{direction}},
    seq {{direction}},
    event_id {{direction}},
    app_id {{direction}}
LIMIT 1
