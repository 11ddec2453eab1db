-- retention.cohorts_every: the periods in which a user has an initial event.  Caller: query_api/retention.py _cells()
-- Params: none
-- Rows:   Array(Tuple(UInt16, String)): period and the empty key
arrayMap(
    initial_period -> (initial_period, ''),
    groupUniqArrayIf(period, is_initial)
)
