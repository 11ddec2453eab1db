-- share.visits: each user's entries by card and session; those that carry no card together.  Caller: query_api/share_sql.py
-- Params: fragments events (share.placed_*), entry and kept (conditions: which events; which of their cards are told apart, over carried and
--         within), is_relaunch and is_favourite (conditions: by which scene one enters)
-- Rows:   user, card, session (0: entries that carry no card), fresh, relaunched (place of the first entry that is no relaunch, and of the first that
--         is; 2^63 - 1: none), group_number (xxh3 of the first group_id; 0: none) UInt64; undecided UInt8 (1: its place is that of another group)
-- Source: one grouping over numbers; share_opens.py finds the opens in them. A favourite carries no card. Mirrored, the group of the least
--         number is the greatest of those that share its place: where the two are not one group, the order is open.
SELECT
    user,
    card,
    session,
    if(first_fresh = 0, toUInt64(9223372036854775807), first_fresh) AS fresh,
    if(first_relaunched = 0, toUInt64(9223372036854775807), first_relaunched) AS relaunched,
    toUInt64(first_group) AS group_number,
    first_group != 0 AND group_number != bitNot(toUInt64(mirrored_group)) AS undecided
FROM
(
    SELECT
        user,
        card,
        session,
        minIf(place, NOT is_relaunch) AS first_fresh,
        minIf(place, is_relaunch) AS first_relaunched,
        minIf(bitShiftLeft(toUInt128(place), 64) + grouped, grouped != 0) AS first_group,
        minIf(bitShiftLeft(toUInt128(place), 64) + bitNot(grouped), grouped != 0) AS mirrored_group
    FROM
    (
        SELECT
            user,
            place,
            ({{is_relaunch}}) AS is_relaunch,
            xxh3(app_id, share_id) AS carried,
            xxh3(user, xxh3(app_id, session_id), silent_session_ms) AS within,
            share_id != '' AND NOT ({{is_favourite}}) AND ({{kept}}) AS is_visit,
            if(is_visit, carried, toUInt64(0)) AS card,
            if(is_visit, within, toUInt64(0)) AS session,
            if(is_visit AND group_id != '', xxh3(group_id), toUInt64(0)) AS grouped
        FROM
        (
            {{events}}
        )
        WHERE {{entry}}
    )
    GROUP BY
        user,
        card,
        session
)
