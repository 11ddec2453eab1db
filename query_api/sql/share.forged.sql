-- share.forged: entries and share events whose share_id had a wrong signature.  Caller: query_api/share.py answer()
-- Params: fragment source (those of the range with the property)
-- Rows:   one: events UInt64, share_ids UInt64
-- Source: the collector moves such a share_id to the property $forged_share_id.
SELECT
    count() AS events,
    uniqExact(app_id, properties_text['$forged_share_id']) AS share_ids
FROM
(
    {{source}}
)
