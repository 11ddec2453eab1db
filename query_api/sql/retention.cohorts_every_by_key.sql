-- retention.cohorts_every_by_key: as cohorts_every, with the breakdown value.  Caller: query_api/retention.py _cells()
-- Params: none
-- Rows:   Array(Tuple(UInt16, String)): period and key of the user's first initial event in it
-- Source: first by (occurred_at, seq, event_id). So each user is in one row of a cohort, and rows add up to the cohort.
arrayMap(
    first_initial -> (first_initial.1, first_initial.3),
    arrayFilter(
        (this_one, period_before) -> this_one.1 != period_before,
        arraySort(groupArrayIf((period, event_order, packed_key), is_initial)) AS initial_events,
        arrayResize(arrayPushFront(arrayMap(one -> toInt32(one.1), initial_events), toInt32(-1)), length(initial_events))
    )
)
