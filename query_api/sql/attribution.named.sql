-- attribution.named: what the touches of each target get, with their keys.  Caller: query_api/attribution.py _named()
-- Params: fragments credits (attribution.credits), key, names (order_keys.names, joined by key_number, or nothing)
-- Rows:   those of credits, and key String (packed)
-- Source: where each row is asked for its key; attribution.of_keys asks for few.
SELECT
    credits.*,
    {{key}} AS key
FROM
(
    {{credits}}
) AS credits
{{names}}
