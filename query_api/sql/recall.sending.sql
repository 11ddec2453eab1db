-- recall.sending: an event of somebody who was sent, or held out of, messages, once for each that came later.
-- Caller: query_api/recall.py _values_before()
-- Params: sendings Array(campaign, first_sent_ms) of recall.sendings
-- Rows:   columns of events: at_ms Int64, sending Tuple(campaign, first_sent_ms)
-- Source: an event at the time of a message counts as before it.
toUnixTimestamp64Milli(occurred_at) AS at_ms,
arrayJoin(arrayFilter(one -> at_ms <= one.2, sendings)) AS sending
