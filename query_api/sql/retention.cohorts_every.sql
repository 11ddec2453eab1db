-- retention.cohorts_every: the periods in which a user has an initial event.  Caller: query_api/retention.py _cells()
-- Params: none
-- Rows:   Array(Tuple(UInt16, Array(String))): period and the empty key
arrayMap(
    initial_period -> (initial_period, emptyArrayString()),
    groupUniqArrayIf(period, is_initial)
)
