-- share.conversions: conversion events with the card that they are due to.  Caller: query_api/share_sql.py
-- Params: fragments order (source.order), value (a number), events (source.sessions over the conversion events of the range)
-- Rows:   user UInt64, at_ms Int64, value Float64, due: tuple of card, group_id, opened, session, sharer, depth, page, channel, key,
--         matches as in share.opens
-- Source: an event that carries a known card: that card, if the user opened it before; else the card that its session opened last
--         before it. Others are due to none.
SELECT
    user,
    at_ms,
    value,
    due
FROM
(
    SELECT
        converted.user AS user,
        converted.at_ms AS at_ms,
        converted.value AS value,
        arrayLast(
            open -> open.3 <= converted.event_order AND if(converted.known, open.1 = converted.carried, open.4 = converted.session),
            opened.opens
        ) AS due
    FROM
    (
        SELECT
            user,
            {{order}} AS event_order,
            toUnixTimestamp64Milli(occurred_at) AS at_ms,
            sipHash64(toString(app_id), session_id, silent_session_ms) AS session,
            sipHash64(toString(app_id), share_id) AS carried,
            share_id != '' AND carried IN (SELECT card FROM given) AS known,
            toFloat64({{value}}) AS value
        FROM
        (
            {{events}}
        )
    ) AS converted
    INNER JOIN
    (
        SELECT
            user,
            arraySort(open -> open.3, groupArray((card, group_id, opened, session, sharer, depth, page, channel, key, matches))) AS opens
        FROM opens
        WHERE state = 0
        GROUP BY user
    ) AS opened ON converted.user = opened.user
)
WHERE due.1 != 0
