-- share.grouped: conversions in groups of one user, session and card, where they cannot be added up by actor.  Caller: query_api/share_sql.py
-- Params: fragments by (share.held and what else tells groups apart), keys (its names, each with a comma before it), events (share.placed_*, with
--         the value of a conversion), converts (a condition), added (share.added)
-- Rows:   user, held, carried UInt64, silent_session_ms Int64, large Float64, and share.added
-- Source: source.sessions needs the user: events without a session_id, identity "strict".
SELECT
    user,
    held,
    silent_session_ms,
    carried,
    large,
    {{added}}
FROM
(
    SELECT
        *,
        {{by}}
    FROM
    (
        {{events}}
    )
)
WHERE {{converts}}
GROUP BY
    user,
    silent_session_ms{{keys}}
