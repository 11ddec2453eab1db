-- scenes.converters: the users of a row who converted.  Caller: query_api/scenes.py users()
-- Params: those of scenes.conversions; cell_key String (as scenes.conversion_counts gives it); fragment conversions
-- Rows:   user UInt64, each once
-- Source: the same rows that scenes.conversion_counts counts.
SELECT user
FROM
(
    {{conversions}}
)
WHERE key = {cell_key:String}
