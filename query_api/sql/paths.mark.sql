-- paths.mark: the number of an event's node, and above it whether the event is the start or end.  Caller: query_api/paths.py _sql()
-- Params: fragments node (order_keys.hashed, 51 bits), is_anchor (a condition)
-- Rows:   an expression over the columns of events, UInt64 of 52 bits
-- Source: the bits below an order key.
bitOr({{node}}, if({{is_anchor}}, toUInt64(2251799813685248), 0))
