-- share.held: what conversions are added up by.  Caller: query_api/share_sql.py
-- Params: fragment large (sums.large_sql)
-- Rows:   columns of a SELECT over events: held, carried UInt64, large Float64
-- Source: with the user, held is the session (share.visits).
xxh3(app_id, session_id) AS held,
if(share_id = '', toUInt64(0), xxh3(app_id, share_id)) AS carried,
{{large}} AS large
