-- recall.last_values: the last value of a person's events before each message.  Caller: query_api/recall.py _values_before()
-- Params: fragments source (events with recall.sending, value_key and value_order), last (recall.last_value), where (which events have a
--         value)
-- Rows:   user UInt64 and the columns of recall.last_value
-- Source: where the person of an event is known only with the event, or its attributes decide.
SELECT
    user,
    {{last}}
FROM
(
    {{source}}
)
WHERE {{where}}
GROUP BY
    user,
    campaign
