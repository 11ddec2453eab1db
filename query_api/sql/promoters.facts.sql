-- promoters.facts: bindings that began, registrations and orders, each with its promoter.  Caller: query_api/promoters.py _facts()
-- Params: range_from_ms, range_to_ms, window_ms Int64; fragments acts (promoters.acts), bound (promoters.bound)
-- Rows:   kind UInt8 (1 binding, 2 registration, 3 order), user UInt64, promoter String ('' for none), event_id, app_id String, at_ms
--         Int64, amount, base Float64, touch_id, touch_app_id String, touched_ms Int64
-- Source: promoters.py
SELECT
    toUInt8(acted.kind) AS kind,
    acted.user AS user,
    due.3 AS promoter,
    acted.event_id AS event_id,
    acted.app_id AS app_id,
    acted.at_ms AS at_ms,
    acted.amount AS amount,
    acted.base AS base,
    due.4 AS touch_id,
    due.5 AS touch_app_id,
    due.2 AS touched_ms
FROM
(
    SELECT
        acts.*,
        arrayLast(
            one -> one.1 <= acts.event_order AND acts.at_ms - one.2 <= {window_ms:Int64},
            bound.bindings
        ) AS due
    FROM
    (
        {{acts}}
    ) AS acts
    ANY LEFT JOIN
    (
        {{bound}}
    ) AS bound ON acts.user = bound.user
) AS acted
UNION ALL
SELECT
    toUInt8(1) AS kind,
    user,
    began.3 AS promoter,
    began.4 AS event_id,
    began.5 AS app_id,
    began.2 AS at_ms,
    toFloat64(0) AS amount,
    toFloat64(0) AS base,
    began.4 AS touch_id,
    began.5 AS touch_app_id,
    began.2 AS touched_ms
FROM
(
    SELECT
        user,
        arrayJoin(bindings) AS began
    FROM
    (
        {{bound}}
    )
)
WHERE began.2 >= {range_from_ms:Int64}
    AND began.2 < {range_to_ms:Int64}
