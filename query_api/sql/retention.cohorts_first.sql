-- retention.cohorts_first: the period of a user's first initial event ever.  Caller: query_api/retention.py _cells()
-- Params: starts, numbers as retention.cells; range_from_ms Int64 (epoch ms)
-- Rows:   Array(Tuple(UInt16, String)): period and key of that event; empty when it lies before the range
-- Source: first by (occurred_at, seq, event_id) over all of history. initial_from_ms is 0 here.
if(
    countIf(is_initial) > 0 AND (minIf(at_ms, is_initial) AS first_ms) >= {range_from_ms:Int64},
    [
        (
            transform(roundDown(first_ms, {starts:Array(Int64)}), {starts:Array(Int64)}, {numbers:Array(UInt16)}, toUInt16(0)),
            {{first_key}}
        )
    ],
    []
)
