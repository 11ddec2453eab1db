-- share.added: conversions of one session and card, added up.  Caller: query_api/share_sql.py
-- Params: fragment sums (sums.parts_sql)
-- Rows:   aggregates over place and the value: number Int64, first, lasted UInt64 (places), millionths, rests Int128
-- Source: all that lie between two opens of the user are due to the same one, so that first and last tell for all; where an open comes between
--         them (share_opens.Due.apart), they are asked for in parts. Their distance is 0 for most: nothing that travels.
toInt64(count()) AS number,
min(place) AS first,
max(place) - min(place) AS lasted,
{{sums}}
