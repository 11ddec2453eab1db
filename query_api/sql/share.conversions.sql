-- share.conversions: conversion events with the card that they are due to.  Caller: query_api/share_sql.py
-- Params: fragments order (source.order), value (a number), events (source.sessions over the conversion events of the range); CTE opens;
--         table given (card: all cards)
-- Rows:   user, card UInt64, at_ms Int64, group_id String (of the opening), value Float64
-- Source: one join by what decides: the card, or the session. An open stands there once for each.
--         an event that carries a known card: that card, if the user opened it before; else the card that its session opened last
--         before it. Others are due to none.
SELECT
    converted.user AS user,
    argMax(opened.card, opened.opened) AS card,
    any(converted.at_ms) AS at_ms,
    argMax(opened.group_id, opened.opened) AS group_id,
    any(converted.value) AS value
FROM
(
    SELECT
        user,
        arrayJoin([card, session]) AS decider,
        card,
        group_id,
        opened
    FROM opens
    WHERE state = 0
) AS opened
INNER JOIN
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
) AS converted ON converted.user = opened.user AND converted.decider = opened.decider
WHERE opened.opened <= converted.event_order
GROUP BY
    converted.user,
    converted.number
