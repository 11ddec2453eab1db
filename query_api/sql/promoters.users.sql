-- promoters.users: the users of a cell.  Caller: query_api/promoters.py users()
-- Params: cell_kind UInt8; cell_promoter String, is_any_promoter Bool (all of them); fragment facts (promoters.facts)
-- Rows:   user UInt64, each once
-- Source: the same rows that promoters.counts counts.
SELECT DISTINCT user
FROM
(
    {{facts}}
)
WHERE kind = {cell_kind:UInt8}
    AND if({is_any_promoter:Bool}, promoter != '', promoter = {cell_promoter:String})
