-- share.conversions: conversion events with the card that they are due to.  Caller: query_api/share_sql.py
-- Params: fragments order (source.order), value (a number), events (source.sessions over the conversion events of the range)
-- Rows:   user UInt64, at_ms Int64, value Float64, due: tuple of card, group_id, opened, session, sharer, depth, page, channel, key,
--         matches as in share.opens
-- Source: one join by what decides: the card, or the session. An open stands there once for each.
--         an event that carries a known card: that card, if the user opened it before; else the card that its session opened last
--         before it. Others are due to none.
SELECT
    converted.user AS user,
    any(converted.at_ms) AS at_ms,
    any(converted.value) AS value,
    argMax(opened.due, opened.due.3) AS due
FROM
(
    SELECT
        user,
        cityHash64(app_id, event_id) AS number,
        event_order,
        at_ms,
        if(share_id != '' AND carried IN (SELECT card FROM given), carried, session) AS decider,
        value
    FROM
    (
        SELECT
            user,
            app_id,
            event_id,
            share_id,
            {{order}} AS event_order,
            toUnixTimestamp64Milli(occurred_at) AS at_ms,
            sipHash64(toString(app_id), session_id, silent_session_ms) AS session,
            sipHash64(toString(app_id), share_id) AS carried,
            toFloat64({{value}}) AS value
        FROM
        (
            {{events}}
        )
    )
) AS converted
INNER JOIN
(
    SELECT
        user,
        arrayJoin([card, session]) AS decider,
        (card, group_id, opened, session, sharer, depth, page, channel, key, matches) AS due
    FROM opens
    WHERE state = 0
) AS opened ON converted.user = opened.user AND converted.decider = opened.decider
WHERE opened.due.3 <= converted.event_order
GROUP BY
    converted.user,
    converted.number
