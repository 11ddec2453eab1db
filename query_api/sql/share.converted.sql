-- share.converted: conversion events with what decides which open they are due to.  Caller: query_api/share_sql.py
-- Params: fragments events (share.placed_*, with converted_value Float64), converts (a condition)
-- Rows:   user, session, carried (xxh3 as card in share.visits; 0: none), place UInt64; value Float64
SELECT
    user,
    xxh3(user, app_id, session_id, silent_session_ms) AS session,
    if(share_id = '', toUInt64(0), xxh3(app_id, share_id)) AS carried,
    place,
    converted_value AS value
FROM
(
    {{events}}
)
WHERE {{converts}}
