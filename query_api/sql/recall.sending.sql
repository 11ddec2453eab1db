-- recall.sending: an event of somebody who was sent, or held out of, messages, once for each that it says something about.
-- Caller: query_api/recall.py _outcomes()
-- Params: window_ms Int64; sendings Array(campaign, first_sent_ms) of recall.sendings; fragment since (a condition on one of them)
-- Rows:   columns of events: at_ms Int64, campaign String, first_sent_ms Int64, in_window Bool
-- Source: an event counts for a campaign from the person's time on up to the window's end, both included.
toUnixTimestamp64Milli(occurred_at) AS at_ms,
arrayJoin(arrayFilter(one -> {{since}} AND at_ms <= one.2 + {window_ms:Int64}, sendings)) AS sending,
sending.1 AS campaign,
sending.2 AS first_sent_ms,
at_ms >= first_sent_ms AS in_window
