-- exchange.entry: an entry as an order key.  Caller: query_api/exchange.py _added()
-- Params: range_from_ms, range_to_ms Int64 (epoch ms, end exclusive); fragments number, row_number, partner_number (of the keys of the row that
--         counts it, of its row when all are shown, and of the partner alone; 50 bits), matches (condition), place (the order key over mark)
-- Rows:   columns of events: is_entry Bool, at_ms Int64, mark UInt64 (four times the number, 2 of an app_launch, 1 with a partner; 0 where
--         the filter does not match), place (order key), counts Bool, came_as Tuple (the three numbers)
-- Source: numbers sort and group faster than texts. Entries without a partner count nowhere; conversions after them neither.
event IN ('app_launch', 'app_show') AS is_entry,
toUnixTimestamp64Milli(occurred_at) AS at_ms,
if(
    is_entry AND ({{matches}}),
    bitShiftLeft({{number}}, 2) + 2 * (event = 'app_launch') + (referrer_app_id != ''),
    0
) AS mark,
{{place}} AS place,
bitTest(mark, 0) AND at_ms >= {range_from_ms:Int64} AND at_ms < {range_to_ms:Int64} AS counts,
({{number}}, {{row_number}}, {{partner_number}}) AS came_as
