-- scenes.event_parts: all events of a session.  Caller: query_api/scenes.py _parts()
-- Params: range_from_ms Int64 (epoch ms); fragments source (events with their persons), places (scenes.entry_places, and scenes.conversion_place where
--         something converts), conversions (an aggregate)
-- Rows:   user UInt64, and as scenes.entry_parts; each user and session once
-- Source: where the person of an event is known only with the event, or its attributes decide.
SELECT
    user,
    session,
    min(at_ms) AS first_ms,
    max(at_ms) AS last_ms,
    countIf(is_page_view) AS views,
    groupArrayIf(place, is_entry AND at_ms >= {range_from_ms:Int64}) AS entries,
    if(countIf(is_entry) = 0, bitNot(toUInt128(0)), minIf(place, is_entry)) AS first_entry,
    if(countIf(is_entry) = 0, bitNot(toUInt128(0)), minIf(mirrored_place, is_entry)) AS first_mirrored,
    max(is_entry AND is_silent) AS has_silent,
    {{conversions}} AS conversions
FROM
(
    SELECT
        user,
        event = 'page_view' AS is_page_view,
        event IN ('app_launch', 'app_show') AS is_entry,
        session_id = '' AND session != 0 AS is_silent,
        {{places}}
    FROM
    (
        {{source}}
    )
)
GROUP BY
    user,
    session
