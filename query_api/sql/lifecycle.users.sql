-- lifecycle.users: the users of a cell.  Caller: query_api/lifecycle.py users()
-- Params: those of lifecycle.states; cell_periods Array(UInt16), cell_states Array(UInt8); fragments states, in_key
-- Rows:   user UInt64, each once
-- Source: the same rows that lifecycle.counts counts.
SELECT DISTINCT user
FROM
(
    {{states}}
)
WHERE has({cell_periods:Array(UInt16)}, period)
    AND has({cell_states:Array(UInt8)}, state)
    AND {{in_key}}
