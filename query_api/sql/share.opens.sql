-- share.opens: opens: a card opened in a session.  Caller: query_api/share_sql.py
-- Params: none
-- Rows:   user, card UInt64, session, opened (at_ms, seq, event_id: the opening entry), group_id String, is_new Bool (the user's
--         first entry ever), state UInt8 (0 counts, 1 the sharer's own, 2 no such card), and of the card: sharer UInt64, depth
--         UInt32, page, channel String, matches Bool, key Array(String)
-- Source: an entry by a relaunch scene opens a card only if it is the user's first one with that card.
SELECT
    found.user AS user,
    found.card AS card,
    found.session AS session,
    found.opened AS opened,
    found.group_id AS group_id,
    found.opened = found.first_entry AS is_new,
    multiIf(forest.card = 0, toUInt8(2), forest.sharer = found.user, toUInt8(1), toUInt8(0)) AS state,
    forest.sharer AS sharer,
    forest.depth AS depth,
    forest.page AS page,
    forest.channel AS channel,
    forest.matches AS matches,
    forest.key AS key
FROM
(
    SELECT
        user,
        card,
        session,
        group_id,
        first_entry,
        if(first_any = min(first_any) OVER (PARTITION BY user, card), first_any, first_fresh) AS opened
    FROM openings
    WHERE card != 0
) AS found
LEFT JOIN forest ON found.card = forest.card
WHERE found.opened.1 < 4611686018427387904
