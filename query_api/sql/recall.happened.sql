-- recall.happened: what an event after a message is.  Caller: query_api/recall.py _outcomes()
-- Params: columns of recall.sending; fragments matches, opened, active, converted (conditions), amount (a number)
-- Rows:   columns of events: is_counted, is_opening, is_activity, is_conversion, amount Float64
in_window AND ({{matches}}) AS is_counted,
is_counted AND ({{opened}}) AS is_opening,
is_counted AND ({{active}}) AS is_activity,
is_counted AND ({{converted}}) AS is_conversion,
toFloat64({{amount}}) AS amount
