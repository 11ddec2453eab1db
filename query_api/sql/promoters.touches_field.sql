-- promoters.touches_field: events that carry a promoter's id.  Caller: query_api/promoters.py _touches()
-- Params: range_to_ms Int64; fragments order (source.order), promoter (a text), source
-- Rows:   user UInt64, event_order String, at_ms Int64, promoter, event_id, app_id String
-- Source: an empty code is none; nobody promotes oneself.
SELECT
    user,
    {{order}} AS event_order,
    toUnixTimestamp64Milli(occurred_at) AS at_ms,
    toString({{promoter}}) AS promoter,
    event_id,
    toString(app_id) AS app_id
FROM
(
    {{source}}
)
WHERE promoter != ''
    AND promoter NOT IN (user_id, unionid, openid, anonymous_id)
