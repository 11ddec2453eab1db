-- privacy.where_segment_users: snapshots of segments that hold a person.  Caller: collector/privacy.py
-- Params: keys Array(UInt64)
-- Rows:   a condition over segment_users
-- Source: a snapshot may hold the person under any of its ids that was its strongest then.
user IN {keys:Array(UInt64)}
