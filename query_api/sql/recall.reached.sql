-- recall.reached: who was sent or held out of anything.  Caller: query_api/recall.py _outcomes()
-- Params: those of recall.persons; fragment sendings (recall.sendings)
-- Rows:   user UInt64, each once
SELECT user
FROM
(
    {{sendings}}
)
