-- recall.sendings: when each person was reached, or held out, by campaign.  Caller: query_api/recall.py
-- Params: those of recall.persons; fragment persons (recall.persons)
-- Rows:   user UInt64, each once; sendings Array(campaign, first_sent_ms)
SELECT
    user,
    groupArray((campaign, first_sent_ms)) AS sendings
FROM
(
    {{persons}}
)
GROUP BY user
