-- ltv.cells: every user of a cohort, and each of the user's payments.  Caller: query_api/ltv.py _cells()
-- Params: starts Array(Int64) (epoch ms of all periods), numbers Array(UInt16) (0, 1, …), periods UInt16, start_from_ms,
--         range_from_ms, range_to_ms Int64; fragments start, paying (conditions), amount (a number), key (packed), order
--         (source.order), folded (of key), source
-- Rows:   user UInt64, cohort UInt16 (number of a period), key String (packed), cell Int32 (-1: is in the cohort, once; n: paid in
--         the n-th period after), amount Float64, is_first Bool (the user's first payment)
-- Source: one pass. Payments count from the start event on, the event itself included.
SELECT
    user,
    cohort,
    {{folded}} AS key,
    one.1 AS cell,
    one.2 AS amount,
    one.3 AS is_first
FROM
(
    SELECT
        user,
        cohort,
        key,
        arrayJoin(
            arrayConcat(
                [(toInt32(-1), toFloat64(0), false)],
                arrayMap(
                    (payment, number) -> (toInt32(payment.2) - cohort, payment.3, number = 1),
                    payments,
                    arrayEnumerate(payments)
                )
            )
        ) AS one
    FROM
    (
        SELECT
            user,
            minIf(event_order, is_start) AS start_order,
            argMinIf(at_ms, event_order, is_start) AS start_ms,
            argMinIf(period, event_order, is_start) AS cohort,
            argMinIf(event_key, event_order, is_start) AS key,
            arrayFilter(
                payment -> payment.1 >= start_order AND payment.2 <= cohort + {periods:UInt16},
                arraySort(groupArrayIf((event_order, period, amount), is_paying))
            ) AS payments
        FROM
        (
            SELECT
                user,
                {{order}} AS event_order,
                toUnixTimestamp64Milli(occurred_at) AS at_ms,
                transform(roundDown(at_ms, {starts:Array(Int64)}), {starts:Array(Int64)}, {numbers:Array(UInt16)}, toUInt16(0)) AS period,
                {{key}} AS event_key,
                ({{start}}) AND at_ms >= {start_from_ms:Int64} AND at_ms < {range_to_ms:Int64} AS is_start,
                ({{paying}}) AND at_ms >= {starts:Array(Int64)}[1] AS is_paying,
                toFloat64({{amount}}) AS amount
            FROM
            (
                {{source}}
            )
        )
        GROUP BY user
        HAVING countIf(is_start) > 0
            AND start_ms >= {range_from_ms:Int64}
    )
)
