-- retention.hits_on_or_after: columns n with a returning event in period cohort + n or later.  Caller: query_api/retention.py
-- Params: periods UInt16 (the last one asked for)
-- Rows:   Array(Int32): 0 up to the last period with a returning event
arrayMap(
    n -> toInt32(n),
    range(
        arrayMax(
            arrayMap(
                period -> if(
                    period >= cohort_and_key.1 AND period <= cohort_and_key.1 + {periods:UInt16},
                    toInt32(period) - cohort_and_key.1 + 1,
                    0
                ),
                arrayPushBack(returning_periods, toUInt16(65535))
            )
        )
    )
)
