-- retention.cells: every cell of the table that a user is in.  Caller: query_api/retention.py _cells()
-- Params: starts Array(Int64) (epoch ms of all periods), numbers Array(UInt16) (0, 1, …), initial_from_ms, initial_to_ms
--         Int64; fragments initial, returning, key (packed), order (source.order;
--         expressions over events), cohorts (retention.cohorts_*), hits
--         (retention.hits_*), source
-- Rows:   user UInt64, cohort UInt16 (number of a period), key String (packed), cell Int32 (-1: is in the cohort; n: returned in
--         the n-th column); each row once, so that counting rows counts users
-- Source: one pass over events. Returning events count in the whole period of a cohort, also before the initial one.
SELECT
    user,
    cohort_and_key.1 AS cohort,
    cohort_and_key.2 AS key,
    arrayJoin(arrayConcat([toInt32(-1)], {{hits}})) AS cell
FROM
(
    SELECT
        user,
        returning_periods,
        arrayJoin(cohorts) AS cohort_and_key
    FROM
    (
        SELECT
            user,
            {{cohorts}} AS cohorts,
            groupUniqArrayIf(period, is_returning) AS returning_periods
        FROM
        (
            SELECT
                user,
                {{order}} AS event_order,
                toUnixTimestamp64Milli(occurred_at) AS at_ms,
                transform(roundDown(at_ms, {starts:Array(Int64)}), {starts:Array(Int64)}, {numbers:Array(UInt16)}, toUInt16(0)) AS period,
                {{key}} AS packed_key,
                ({{initial}}) AND at_ms >= {initial_from_ms:Int64} AND at_ms < {initial_to_ms:Int64} AS is_initial,
                ({{returning}}) AND at_ms >= {starts:Array(Int64)}[1] AS is_returning
            FROM
            (
                {{source}}
            )
        )
        GROUP BY user
    )
)
