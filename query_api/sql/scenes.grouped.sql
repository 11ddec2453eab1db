-- scenes.grouped: what the events of each session add up to, event by event.  Caller: query_api/scenes.py _first_entries()
-- Params: fragments number (order_keys.hashed of the key), place and mirrored_place (the entry as an order key, over key_number), matches, source
--         (events of the range and a day before and after it, with scenes.session)
-- Rows:   first_ms, last_ms Int64, views UInt64, first_entry, first_mirrored UInt128; one for each session with an entry
-- Source: where the person of an event is known only with the event, its attributes decide, or codes are joined.
SELECT
    min(at_ms) AS first_ms,
    max(at_ms) AS last_ms,
    countIf(is_page_view) AS views,
    minIf(place, is_entry) AS first_entry,
    minIf(mirrored_place, is_entry) AS first_mirrored
FROM
(
    SELECT
        user,
        session,
        event = 'page_view' AS is_page_view,
        event IN ('app_launch', 'app_show') AS is_entry,
        toUnixTimestamp64Milli(occurred_at) AS at_ms,
        if(is_entry AND ({{matches}}), {{number}}, 0) AS key_number,
        {{place}} AS place,
        {{mirrored_place}} AS mirrored_place
    FROM
    (
        {{source}}
    )
)
GROUP BY
    user,
    session
HAVING max(is_entry)
