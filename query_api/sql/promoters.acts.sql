-- promoters.acts: registrations and orders of the range.  Caller: query_api/promoters.py _facts()
-- Params: fragments event_order (source.order), source (with the columns of promoters.numbers)
-- Rows:   kind UInt8 (2 registration, 3 order), user UInt64, event_order, event_id, app_id String, at_ms Int64, amount, base Float64
-- Source: an event that is both stands twice.
SELECT
    arrayJoin(arrayFilter(k -> k != 0, [if(is_registration, 2, 0), if(is_order, 3, 0)])) AS kind,
    user,
    {{event_order}} AS event_order,
    event_id,
    toString(app_id) AS app_id,
    toUnixTimestamp64Milli(occurred_at) AS at_ms,
    act_amount AS amount,
    act_base AS base
FROM
(
    {{source}}
)
