-- export.events: all columns of the events of an app in a time range, once each.  Caller: collector/export.py
-- Params: app_id String; from_ms, to_ms Int64 (epoch ms of occurred_at, end exclusive)
-- Rows:   those of events, and phone_hash String: the phone that the event bound first to another of its ids, '' without one
-- Source: FINAL, so that copies count once. No order: a month must not be sorted in memory. A phone only binds, so it is not among the
--         columns of events; the evidence of the binding names its event.
SELECT
    e.*,
    bound.phone_hash AS phone_hash
FROM
(
    SELECT *
    FROM events FINAL
    WHERE app_id = {app_id:String}
        AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
        AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
) AS e
ANY LEFT JOIN
(
    SELECT
        event_id AS by_event,
        id AS phone_hash
    FROM identity_bindings
    WHERE kind = 'phone_hash'
        AND event_app_id = {app_id:String}
) AS bound ON e.event_id = bound.by_event
