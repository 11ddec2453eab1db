-- promoters.facts: bindings that began, registrations and orders, each with its promoter.  Caller: query_api/promoters.py _facts()
-- Params: range_from_ms, range_to_ms, window_ms Int64; fragment bound (promoters.bound)
-- Rows:   kind UInt8 (1 binding, 2 registration, 3 order), user UInt64, promoter String ('' for none), event_id, app_id String, at_ms
--         Int64, amount, base Float64, touch_id, touch_app_id String, touched_ms Int64
-- Source: promoters.py. Of a user at once, so that touches are read once; an event that is both stands twice.
SELECT
    fact.1 AS kind,
    user,
    fact.2.3 AS promoter,
    fact.3.4 AS event_id,
    fact.3.5 AS app_id,
    fact.3.2 AS at_ms,
    fact.4 AS amount,
    fact.5 AS base,
    fact.2.4 AS touch_id,
    fact.2.5 AS touch_app_id,
    fact.2.2 AS touched_ms
FROM
(
    SELECT
        user,
        arrayJoin(
            arrayConcat(
                arrayMap(
                    began -> (toUInt8(1), began, began, toFloat64(0), toFloat64(0)),
                    arrayFilter(began -> began.2 >= {range_from_ms:Int64} AND began.2 < {range_to_ms:Int64}, bindings)
                ),
                arrayMap(
                    done -> (
                        done.1,
                        arrayLast(
                            binding -> binding.1 <= done.2.1 AND done.2.2 - binding.2 <= {window_ms:Int64},
                            bindings
                        ),
                        done.2,
                        done.3,
                        done.4
                    ),
                    acts
                )
            )
        ) AS fact
    FROM
    (
        {{bound}}
    )
)
