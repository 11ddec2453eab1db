-- share.visits_wanted: the condition that a visit before the range says something about what lies in it.  Caller: query_api/share_sql.py
-- Params: table wanted (user, number: a card or a session)
-- Rows:   an expression over user, carried and within of share.visits
-- Source: of years of visits only these travel.
(user, carried) IN (SELECT user, number FROM wanted) OR (user, within) IN (SELECT user, number FROM wanted)
