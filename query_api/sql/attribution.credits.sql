-- attribution.credits: what each touch of each target gets.  Caller: query_api/attribution.py _credits()
-- Params: lookback_ms, half_life_ms Int64, range_from_ms, range_to_ms Int64 (epoch ms, end exclusive); fragments touch (number of
--         the first of `touches` that an event matches, 0: none), target (a condition), amount (a number), key (packed), order
--         (source.order), touch_shared, target_shared (texts, '' absent), shares_property (0 or 1), folded (of key), source
-- Rows:   user UInt64, target UInt32 (number of the user's target), touch UInt8 (0: direct), key String (packed), amount Float64 (of
--         the target), first, last, linear, position, time_decay Float64 (each adds up to 1 over the rows of a target)
-- Source: one pass; a user's touches and targets as arrays. A touch lies before the target by (occurred_at, seq, event_id).
SELECT
    user,
    target,
    one.1 AS touch,
    {{folded}} AS key,
    amount,
    one.3 AS first,
    one.4 AS last,
    one.5 AS linear,
    one.6 AS position,
    one.7 AS time_decay
FROM
(
    SELECT
        user,
        target,
        amount,
        one.2 AS key,
        one
    FROM
    (
        SELECT
            user,
            target,
            amount,
            arrayJoin(
                if(
                    empty(chain),
                    [(toUInt8(0), '', toFloat64(1), toFloat64(1), toFloat64(1), toFloat64(1), toFloat64(1))],
                    arrayMap(
                        (passed, number, decay) -> (
                            passed.3,
                            passed.4,
                            toFloat64(number = 1),
                            toFloat64(number = length(chain)),
                            1 / length(chain),
                            multiIf(
                                length(chain) = 1, 1.,
                                length(chain) = 2, 0.5,
                                number = 1 OR number = length(chain), 0.4,
                                0.2 / (length(chain) - 2)
                            ),
                            decay / arraySum(decays)
                        ),
                        chain,
                        arrayEnumerate(chain),
                        decays
                    )
                )
            ) AS one
        FROM
        (
            SELECT
                user,
                target_and_number.2 AS target,
                target_and_number.1 AS aim,
                aim.3 AS amount,
                arrayFilter(
                    passed -> passed.1 < aim.1
                        AND aim.2 - passed.2 <= {lookback_ms:Int64}
                        AND (NOT {{shares_property}} OR (passed.5 = aim.4 AND aim.4 != '')),
                    touches
                ) AS chain,
                arrayMap(
                    passed -> exp2((passed.2 - chain[-1].2) / {half_life_ms:Int64}),
                    chain
                ) AS decays
            FROM
            (
                SELECT
                    user,
                    touches,
                    arrayJoin(arrayZip(targets, arrayEnumerate(targets))) AS target_and_number
                FROM
                (
                    SELECT
                        user,
                        arraySort(groupArrayIf((event_order, at_ms, touch, event_key, touch_shared), touch > 0)) AS touches,
                        arraySort(groupArrayIf((event_order, at_ms, amount, target_shared), is_target)) AS targets
                    FROM
                    (
                        SELECT
                            user,
                            {{order}} AS event_order,
                            toUnixTimestamp64Milli(occurred_at) AS at_ms,
                            toUInt8({{touch}}) AS touch,
                            {{key}} AS event_key,
                            {{touch_shared}} AS touch_shared,
                            {{target_shared}} AS target_shared,
                            toFloat64({{amount}}) AS amount,
                            ({{target}}) AND at_ms >= {range_from_ms:Int64} AND at_ms < {range_to_ms:Int64} AS is_target
                        FROM
                        (
                            {{source}}
                        )
                    )
                    GROUP BY user
                    HAVING notEmpty(targets)
                )
            )
        )
    )
)
