-- distribution.of_users: each user's value in each period, from events.  Caller: query_api/distribution.py _values()
-- Params: those of distribution.values; fragments source, event_key and key_order (of an event), is_measured and is_extra (conditions),
--         value (an aggregate over unit_ms and amount), amount_there and extra_there (numbers of an event), has_amount and has_extra_amount,
--         first_key
-- Rows:   user UInt64, bucket_ms Int64 (start of the period), value Float64, extra_events UInt64, extra_sum Float64, key String (packed); each
--         (user, bucket_ms) at most once
-- Source: one pass over events; those of the extra measure count in the same period.
SELECT
    user,
    bucket_ms,
    toFloat64({{value}}) AS value,
    countIf(is_extra AND has_extra_amount) AS extra_events,
    {{exact_sum(extra_amount, is_extra AND has_extra_amount)}} AS extra_sum,
    {{first_key}} AS key
FROM
(
    SELECT
        user,
        toUnixTimestamp64Milli(occurred_at) AS at_ms,
        roundDown(at_ms, {starts:Array(Int64)}) AS bucket_ms,
        roundDown(at_ms, {unit_starts:Array(Int64)}) AS unit_ms,
        toFloat64({{amount_there}}) AS amount,
        ({{is_measured}}) AND {{has_amount}} AS is_measured,
        toFloat64({{extra_there}}) AS extra_amount,
        {{is_extra}} AS is_extra,
        {{has_extra_amount}} AS has_extra_amount,
        {{event_key}} AS event_key,
        {{key_order}} AS key_order
    FROM
    (
        {{source}}
    )
)
GROUP BY
    user,
    bucket_ms
HAVING countIf(is_measured) > 0
