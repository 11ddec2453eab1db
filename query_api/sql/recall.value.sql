-- recall.value: what was known of a person by an event before a message.  Caller: query_api/recall.py _outcomes()
-- Params: columns of recall.sending; fragments key (packed), order (source.order), absent (the key without a value)
-- Rows:   columns of events: value_key, value_order String, is_known
-- Source: an event at the time of a message counts as before it.
{{key}} AS value_key,
{{order}} AS value_order,
at_ms <= first_sent_ms AND value_key != {{absent}} AS is_known
