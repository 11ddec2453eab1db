-- recall.users: the persons of a number.  Caller: query_api/recall.py users()
-- Params: those of recall.outcomes; cell_campaign, cell_arm String; fragments outcomes (with a packed key), in_key, metric (a column of it, or 1)
-- Rows:   user UInt64, each once
-- Source: the same rows that recall.counts counts.
SELECT user
FROM
(
    {{outcomes}}
)
WHERE campaign = {cell_campaign:String}
    AND arm = {cell_arm:String}
    AND {{in_key}}
    AND {{metric}}
