-- segments.members: the persons of a cell.  Caller: query_api/segment_comparison.py users()
-- Params: within, outside UInt64 (masks); fragments persons (segments.persons), in_key
-- Rows:   user UInt64, each once
-- Source: the same rows that segments.compare counts.
SELECT user
FROM
(
    {{persons}}
)
WHERE bitAnd(mask, {within:UInt64}) = {within:UInt64}
    AND bitAnd(mask, {outside:UInt64}) = 0
    AND {{in_key}}
