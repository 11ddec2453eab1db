-- scenes.sessions_whole: sessions with their first entry, where every entry has a session_id.  Caller: query_api/scenes.py _sessions()
-- Params: fragments number (order_keys.hashed of the key), place and mirrored_place (the entry as an order key, over key_number), entry
--         and mirrored_entry (key_number of first_entry and of first_mirrored), matches, source (events of the range and a day before and after it, with scenes.session)
-- Rows:   as scenes.sessions_cut without user, but entry UInt64: number of the key, 0 in place of ''; undecided UInt8: event_id decides which entry
--         was first
-- Source: an entry is one number (query_api/order_keys.py), so that min finds the first. Mirrored, the key of the least number
--         is the greatest of those that share its time and seq: where the two are not one key, the order is open.
SELECT
    first_ms,
    last_ms,
    views,
    {{entry}} AS entry,
    entry != {{mirrored_entry}} AS undecided
FROM
(
    SELECT
        min(at_ms) AS first_ms,
        max(at_ms) AS last_ms,
        countIf(is_page_view) AS views,
        minIf(place, is_entry) AS first_entry,
        minIf(mirrored_place, is_entry) AS first_mirrored,
        max(is_entry) AS has_entry
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
)
WHERE has_entry
