-- timeline.events: one page of a person's events.  Caller: query_api/timeline.py answer()
-- Params: after_ms Int64, after_seq UInt32, after_event_id, after_app_id String: last event of the page before;
--         is_first_page Bool; page_limit UInt32; fragments sent (columns), source
--         (the person's events), beyond (< or >), direction
-- Rows:   the events with all that was sent, and total UInt64: events of all pages
-- Source: the order of events, (occurred_at, seq, event_id), and app_id, since ids are unique within an app.
SELECT
    {{sent}},
    toUnixTimestamp64Milli(occurred_at) AS at_ms,
    toUnixTimestamp64Milli(received_at) AS received_ms,
    properties_text,
    properties_number,
    properties_flag,
    properties_list,
    total
FROM
(
    SELECT
        *,
        count() OVER () AS total
    FROM
    (
        {{source}}
    )
)
WHERE {is_first_page:Bool}
    OR (at_ms, seq, event_id, app_id)
        {{beyond}} ({after_ms:Int64}, {after_seq:UInt32}, {after_event_id:String}, {after_app_id:String})
ORDER BY
    at_ms {{direction}},
    seq {{direction}},
    event_id {{direction}},
    app_id {{direction}}
LIMIT {page_limit:UInt32}
