-- share.openings: each user's sessions that carry a share_id in an app_launch or app_show.  Caller: query_api/share_sql.py
-- Params: favourite_scenes, relaunch_scenes Array(String) ("platform scene"); fragments order (source.order), entries
--         (source.sessions over all app_launch and app_show up to the end of the range)
-- Rows:   user UInt64, visits Array of (card UInt64, first_any String, session UInt64, first_fresh String, group_id String), sorted: the
--         first entry, and the first that is no relaunch, '' without one, as source.order; first_entry String (of all, ever), last_ms Int64
-- Source: one pass over all entries, since new means the first entry ever. Favourites are no visits. Only the silent sessions of
--         the range are cut. A session is known by siphash of its app, session_id and start.
SELECT
    user,
    arraySort(groupArrayIf((card, first_any, session, first_fresh, group_id), card != 0)) AS visits,
    min(first_any) AS first_entry,
    max(last_ms) AS last_ms
FROM
(
    SELECT
        user,
        card,
        session,
        min(event_order) AS first_any,
        minIf(event_order, NOT is_relaunch) AS first_fresh,
        argMinIf(group, event_order, group != '') AS group_id,
        max(at_ms) AS last_ms
    FROM
    (
        SELECT
            user,
            {{order}} AS event_order,
            toUnixTimestamp64Milli(occurred_at) AS at_ms,
            toString(group_id) AS group,
            concat(toString(platform), ' ', toString(scene)) AS place,
            has({relaunch_scenes:Array(String)}, place) AS is_relaunch,
            share_id != '' AND NOT has({favourite_scenes:Array(String)}, place) AS is_visit,
            if(is_visit, sipHash64(toString(app_id), share_id), toUInt64(0)) AS card,
            if(is_visit, sipHash64(toString(app_id), session_id, silent_session_ms), toUInt64(0)) AS session
        FROM
        (
            {{entries}}
        )
    )
    GROUP BY
        user,
        card,
        session
)
GROUP BY user
