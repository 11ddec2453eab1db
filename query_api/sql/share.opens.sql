-- share.opens: opens: a card opened in a session.  Caller: query_api/share_sql.py
-- Params: CTE openings (share.openings); table given (card, sharer: all cards)
-- Rows:   user, card, session UInt64, opened String (the opening entry as source.order), opened_ms Int64, group_id String, is_new
--         Bool (the user's first entry ever), state UInt8 (0 counts, 1 the sharer's own, 2 no such card)
-- Source: an entry by a relaunch scene opens a card only if it is the user's first one with that card; visits are sorted by card
--         and time, so a neighbour tells. The time is the first eight bytes of source.order.
SELECT
    found.user AS user,
    found.card AS card,
    found.visit.3 AS session,
    found.opened AS opened,
    toInt64(byteSwap(reinterpretAsUInt64(substring(opened, 1, 8)))) AS opened_ms,
    found.visit.5 AS group_id,
    opened = found.first_entry AS is_new,
    multiIf(given.card = 0, toUInt8(2), given.sharer = found.user, toUInt8(1), toUInt8(0)) AS state
FROM
(
    SELECT
        user,
        first_entry,
        visit_and_opened.1 AS visit,
        visit_and_opened.2 AS opened,
        visit.1 AS card
    FROM
    (
        SELECT
            user,
            first_entry,
            arrayJoin(
                arrayMap(
                    (visit, card_before) -> (
                        visit,
                        if(visit.2 = visit.4 OR visit.1 = card_before, visit.4, visit.2)
                    ),
                    visits,
                    arrayPushFront(arrayPopBack(visits.1), toUInt64(0))
                )
            ) AS visit_and_opened
        FROM openings
        WHERE notEmpty(visits)
    )
    WHERE opened != ''
) AS found
LEFT JOIN given ON found.card = given.card
