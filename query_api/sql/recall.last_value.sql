-- recall.last_value: the last value of events before a message.  Caller: query_api/recall.py _values_before()
-- Params: columns sending (recall.sending), value_key, value_order
-- Rows:   columns of a SELECT with GROUP BY campaign: campaign, last_key, last_order String
-- Source: the last of a person is the last of the person's actors.
sending.1 AS campaign,
argMax(value_key, value_order) AS last_key,
max(value_order) AS last_order
