-- lifecycle.states: in which state a user is in each period.  Caller: query_api/lifecycle.py _states()
-- Params: starts Array(Int64) (epoch ms: the period before the first asked for, then those asked for), numbers
--         Array(UInt16) (0, 1, …); fragments source, event_key and key_order (of an event), first_key (of a user), folded
-- Rows:   user UInt64, period UInt16 (from 1), state UInt8 (1 new, 2 returning, 3 resurrected, 4 dormant), key
--         String (packed); each (user, period) at most once, so that counting rows counts users
-- Source: one pass over all of history, since new means the first event ever.
SELECT
    user,
    period_and_state.1 AS period,
    period_and_state.2 AS state,
    {{folded}} AS key
FROM
(
    SELECT
        user,
        key,
        arrayJoin(
            arrayConcat(
                arrayMap(
                    active -> (
                        active,
                        multiIf(
                            first_ms >= {starts:Array(Int64)}[active + 1],
                            toUInt8(1),
                            has(active_periods, active - 1),
                            toUInt8(2),
                            toUInt8(3)
                        )
                    ),
                    arrayFilter(active -> active > 0, active_periods)
                ),
                arrayMap(
                    active -> (toUInt16(active + 1), toUInt8(4)),
                    arrayFilter(
                        active -> active + 1 < length({starts:Array(Int64)}) AND NOT has(active_periods, active + 1),
                        active_periods
                    )
                )
            )
        ) AS period_and_state
    FROM
    (
        SELECT
            user,
            min(at_ms) AS first_ms,
            groupUniqArrayIf(period, at_ms >= {starts:Array(Int64)}[1]) AS active_periods,
            {{first_key}} AS key
        FROM
        (
            SELECT
                user,
                toUnixTimestamp64Milli(occurred_at) AS at_ms,
                transform(roundDown(at_ms, {starts:Array(Int64)}), {starts:Array(Int64)}, {numbers:Array(UInt16)}, toUInt16(0)) AS period,
                {{event_key}} AS event_key,
                {{key_order}} AS key_order
            FROM
            (
                {{source}}
            )
        )
        GROUP BY user
    )
)
