-- recall.keyed: what became of each person of a campaign, with the person's row of the breakdown.  Caller: query_api/recall.py _keyed()
-- Params: those of recall.outcomes; fragments outcomes, absent (the key without a value), values (of these persons, recall.last_value of each of
--         their actors)
-- Rows:   those of outcomes and key String (packed)
-- Source: the value is that of the person's last event at or before its time that has any of the fields: what was known when the
--         message went out, the same for both arms.
SELECT
    o.*,
    if(v.key = '', {{absent}}, v.key) AS key
FROM
(
    {{outcomes}}
) AS o
ANY LEFT JOIN
(
    SELECT
        user,
        campaign,
        argMax(part.last_key, part.last_order) AS key
    FROM
    (
        {{values}}
    ) AS part
    GROUP BY
        user,
        campaign
) AS v ON o.user = v.user AND o.campaign = v.campaign
