-- share.part: how many entries with a card the user has at or before an event.  Caller: query_api/share_sql.py
-- Params: fragment entry (a condition)
-- Rows:   a column of a SELECT over events with their place, UInt64
-- Source: an open lies at such an entry, so that none comes between conversions of one part.
countIf({{entry}} AND share_id != '') OVER (PARTITION BY user ORDER BY place RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS part
