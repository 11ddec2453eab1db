-- share.converted: conversions in groups, with what decides which open each of a group is due to.  Caller: query_api/share_sql.py
-- Params: fragment groups (share.grouped, or share.added of each actor)
-- Rows:   user, session, carried (xxh3 as card in share.visits; 0: none), first, last (places) UInt64; number Int64; millionths, rests Int128,
--         large Float64 (sums.Parts)
-- Source: what may stand in one group is said in share.added.
SELECT
    user,
    xxh3(user, held, silent_session_ms) AS session,
    carried,
    first,
    first + lasted AS last,
    number,
    millionths,
    rests,
    large
FROM
(
    {{groups}}
)
