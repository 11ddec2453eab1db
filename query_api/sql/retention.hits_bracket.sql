-- retention.hits_bracket: mode "bracket": columns with a returning event in one of the periods of the bracket.
-- Caller: query_api/retention.py _cells()
-- Params: bracket_from, bracket_to Array(UInt16): periods after the cohort's, both included
-- Rows:   Array(Int32)
arrayFilter(
    n -> arrayExists(
        period -> period >= cohort_and_key.1 + {bracket_from:Array(UInt16)}[n + 1]
            AND period <= cohort_and_key.1 + {bracket_to:Array(UInt16)}[n + 1],
        returning_periods
    ),
    arrayMap(n -> toInt32(n), range(length({bracket_from:Array(UInt16)})))
)
