-- lifecycle.states: in which state a user is in each period.  Caller: query_api/lifecycle.py _states()
-- Params: starts Array(Int64) (epoch ms: 0, the period before the first asked for, then those asked for), numbers Array(UInt16)
--         (0, 1, …); fragments active (lifecycle.active or active_by_actor)
-- Rows:   user UInt64, period UInt16 (from 1), state UInt8 (1 new, 2 returning, 3 resurrected, 4 dormant), key
--         String (packed); each (user, period) at most once, so that counting rows counts users
-- Source: who was active before all periods has the number 0, so the least number is that of the first event ever.
SELECT
    user,
    period_and_state.1 AS period,
    period_and_state.2 AS state,
    key
FROM
(
    SELECT
        user,
        key,
        arrayJoin(
            arrayConcat(
                arrayMap(
                    active -> (
                        toUInt16(active - 1),
                        multiIf(
                            active = first_number,
                            toUInt8(1),
                            has(numbers, active - 1),
                            toUInt8(2),
                            toUInt8(3)
                        )
                    ),
                    arrayFilter(active -> active > 1, numbers)
                ),
                arrayMap(
                    active -> (active, toUInt8(4)),
                    arrayFilter(
                        active -> active > 0 AND active + 1 < length({starts:Array(Int64)}) AND NOT has(numbers, active + 1),
                        numbers
                    )
                )
            )
        ) AS period_and_state
    FROM
    (
        SELECT
            *,
            arrayMin(numbers) AS first_number
        FROM
        (
            {{active}}
        )
    )
)
