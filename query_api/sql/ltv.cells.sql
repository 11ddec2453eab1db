-- ltv.cells: every user of a cohort, and each of the user's payments.  Caller: query_api/ltv.py _cells()
-- Params: starts Array(Int64) (epoch ms of all periods), numbers Array(UInt16) (0, 1, …), periods UInt16, start_from_ms,
--         range_from_ms, range_to_ms Int64; fragments tied (of a payment k and the start), start_tied (whether another key is as early),
--         at and payload (order_keys.py), key (of a user), names (order_keys.names, joined by key_number, or nothing), person (the column
--         person_part, or nothing),
--         collected (by_actor.collected: of users with a start the first, start_event, and payments with their amounts)
-- Rows:   user UInt64, cohort UInt16 (number of a period), key String (packed), cell Int32 (-1: is in the cohort, once; n: paid in
--         the n-th period after), amount Float64, is_first Bool (the user's first payment), undecided Bool: the number leaves open whether a
--         payment comes before the start, or which key the start has
-- Source: one pass over plain numbers. Payments count from the start event on, the event itself included. Which of the payments of one
--         millisecond is the first changes nothing: they lie in one period.
SELECT
    user,
    cohort,
    key,
    one.1 AS cell,
    one.2 AS amount,
    one.3 AS is_first,
    undecided
FROM
(
    SELECT
        user,
        cohort,
        undecided,
        {{key}} AS key,
        arrayJoin(
            arrayConcat(
                [(toInt32(-1), toFloat64(0), false)],
                arrayMap(
                    (k, amount, place) -> (
                        toInt32(transform(roundDown({{at_k}}, {starts:Array(Int64)}), {starts:Array(Int64)}, {numbers:Array(UInt16)}, toUInt16(0))) - cohort,
                        amount,
                        place = first_place
                    ),
                    payments,
                    amounts,
                    arrayEnumerate(payments)
                )
            )
        ) AS one
    FROM
    (
        SELECT
            user{{person}},
            {{start_tied}} OR arrayExists(k -> {{tied}}, all_payments) AS undecided,
            transform(roundDown({{at_start}}, {starts:Array(Int64)}), {starts:Array(Int64)}, {numbers:Array(UInt16)}, toUInt16(0)) AS cohort,
            bitShiftRight({{payload_start}}, 1) AS key_number,
            arrayFilter(k -> k >= start_event, all_payments) AS payments,
            arrayFilter((amount, k) -> k >= start_event, all_amounts, all_payments) AS amounts,
            indexOf(payments, arraySort(payments)[1]) AS first_place
        FROM
        (
            {{collected}}
        )
    ) AS counted
    {{names}}
)
WHERE cell <= {periods:UInt16}
