-- sessions.places: when an event was, and as which page it counts in the order of a session.  Caller: query_api/sessions.py _events()
-- Params: fragments page_number and page_place (of an event)
-- Rows:   columns of events: at_ms Int64, page_number UInt64, page_place UInt128 (an order key with page_number: query_api/order_keys.py)
-- Source: numbers sort and group faster than texts.
toUnixTimestamp64Milli(occurred_at) AS at_ms,
{{page_number}} AS page_number,
{{page_place}} AS page_place
