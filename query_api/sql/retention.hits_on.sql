-- retention.hits_on: mode "on": columns n with a returning event in period cohort + n.  Caller: query_api/retention.py _cells()
-- Params: periods UInt16
-- Rows:   Array(Int32)
arrayMap(
    period -> toInt32(period) - cohort_and_key.1,
    arrayFilter(
        period -> period >= cohort_and_key.1 AND period <= cohort_and_key.1 + {periods:UInt16},
        returning_periods
    )
)
