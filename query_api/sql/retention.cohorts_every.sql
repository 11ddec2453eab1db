-- retention.cohorts_every: the periods in which a user has an initial event, with the first one in each.
-- Caller: query_api/retention_sql.py _cohorts()
-- Params: none, but for the column initials
-- Rows:   Array(Tuple(period, key, epoch ms)): key of the user's first initial event in it, and its time, or 0 where nobody asks for it
-- Source: first by (occurred_at, seq, event_id). So each user is in one row of a cohort, and rows add up to the cohort.
arrayMap(
    first_initial -> (first_initial.1, first_initial.4, first_initial.2),
    arrayFilter(
        (this_one, period_before) -> this_one.1 != period_before,
        arraySort(initials) AS initial_events,
        arrayResize(arrayPushFront(arrayMap(one -> toInt32(one.1), initial_events), toInt32(-1)), length(initial_events))
    )
)
