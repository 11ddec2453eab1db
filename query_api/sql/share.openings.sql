-- share.openings: sessions that carry a share_id in an app_launch or app_show, and the first entry ever of every user.
--         Caller: query_api/share_sql.py
-- Params: favourite_scenes, relaunch_scenes Array(String) ("platform scene"); fragment entries (source.sessions over all
--         app_launch and app_show up to the end of the range)
-- Rows:   user, card UInt64 (0: entries without a card, and favourites), session (app_id, session_id, silent_session_ms),
--         first_any, first_fresh (at_ms, seq, event_id: of any entry, of one that is no relaunch; at_ms 2^62: none),
--         group_id String, first_entry (of the user, ever), last_any_ms Int64
-- Source: one pass over all entries, since new means the first entry ever. Only the silent sessions of the range are cut.
SELECT
    user,
    card,
    session,
    first_any,
    first_fresh,
    group_id,
    min(first_any_entry) OVER (PARTITION BY user) AS first_entry,
    last_any_ms
FROM
(
    SELECT
        user,
        opened.1 AS card,
        opened.2 AS session,
        minIf(at, opened.3 != 1) AS first_any,
        if(countIf(opened.3 = 0) = 0, (toInt64(4611686018427387904), toUInt32(0), ''), minIf(at, opened.3 = 0)) AS first_fresh,
        argMinIf(group_id, at, group_id != '') AS group_id,
        min(at) AS first_any_entry,
        max(at.1) AS last_any_ms
    FROM
    (
        SELECT
            user,
            toString(group_id) AS group_id,
            (toUnixTimestamp64Milli(occurred_at), seq, event_id) AS at,
            concat(toString(platform), ' ', toString(scene)) AS place,
            multiIf(
                has({favourite_scenes:Array(String)}, place),
                toUInt8(1),
                has({relaunch_scenes:Array(String)}, place),
                toUInt8(2),
                toUInt8(0)
            ) AS kind,
            if(
                share_id = '' OR kind = 1,
                (toUInt64(0), ('', '', toInt64(0)), toUInt8(1)),
                (sipHash64(toString(app_id), share_id), (toString(app_id), session_id, silent_session_ms), kind)
            ) AS opened
        FROM
        (
            {{entries}}
        )
    )
    GROUP BY
        user,
        opened.1,
        opened.2
)
