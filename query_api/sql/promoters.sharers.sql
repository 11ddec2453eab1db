-- promoters.sharers: the promoters themselves, who are users where cards make them.  Caller: query_api/promoters.py users()
-- Params: fragment facts (promoters.facts, over promoters.touches_sharer)
-- Rows:   user UInt64, each once
-- Source: the rows that promoters.counts has beside the one without a promoter.
SELECT DISTINCT toUInt64OrZero(promoter) AS user
FROM
(
    {{facts}}
)
WHERE promoter != ''
