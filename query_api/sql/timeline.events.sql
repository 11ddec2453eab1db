-- timeline.events: one page of a person's events.  Caller: query_api/timeline.py answer()
-- Params: after_ms Int64, after_seq UInt32, after_event_id, after_app_id String: last event of the page before;
--         is_first_page Bool; page_limit UInt32; fragments sent (columns), source
--         (the person's events), beyond (< or >), direction, first (min or max)
-- Rows:   the events with all that was sent, and total UInt64: events of all pages; past the last page as well the first event;
--         is_beyond Bool: it comes after the page before
-- Source: the order of events, (occurred_at, seq, event_id), and app_id, since ids are unique within an app.
SELECT
    {{sent}},
    toUnixTimestamp64Milli(occurred_at) AS at_ms,
    toUnixTimestamp64Milli(received_at) AS received_ms,
    properties_text,
    properties_number,
    properties_flag,
    properties_list,
    total,
    {is_first_page:Bool}
        OR (at_ms, seq, event_id, app_id)
            {{beyond}} ({after_ms:Int64}, {after_seq:UInt32}, {after_event_id:String}, {after_app_id:String}) AS is_beyond
FROM
(
    SELECT
        *,
        count() OVER () AS total,
        {{first}}((occurred_at, seq, event_id, app_id)) OVER () AS first_place
    FROM
    (
        {{source}}
    )
)
WHERE is_beyond
    OR (occurred_at, seq, event_id, app_id) = first_place
ORDER BY
    at_ms {{direction}},
    seq {{direction}},
    event_id {{direction}},
    app_id {{direction}}
LIMIT {page_limit:UInt32}
