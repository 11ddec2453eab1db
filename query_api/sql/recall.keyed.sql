-- recall.keyed: what became of each person of a campaign, with the person's row of the breakdown.  Caller: query_api/recall.py _keyed()
-- Params: those of recall.outcomes; fragments outcomes, sendings (recall.sendings), absent (the key without a value), folded (key, or
--         "other"), event_key (packed), order (source.order), source (all events of these persons up to the range's end)
-- Rows:   those of outcomes and key String (packed)
-- Source: the value is that of the person's last event at or before its time that has any of the fields: what was known when the
--         message went out, the same for both arms.
SELECT
    * EXCEPT (key),
    {{folded}} AS key
FROM
(
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
            sending.1 AS campaign,
            argMax(event_key, event_order) AS key
        FROM
        (
            SELECT
                e.user AS user,
                e.event_key AS event_key,
                e.event_order AS event_order,
                arrayJoin(arrayFilter(sending -> e.at_ms <= sending.2, s.sendings)) AS sending
            FROM
            (
                SELECT
                    user,
                    toUnixTimestamp64Milli(occurred_at) AS at_ms,
                    {{event_key}} AS event_key,
                    {{order}} AS event_order
                FROM
                (
                    {{source}}
                )
                WHERE event_key != {{absent}}
            ) AS e
            INNER JOIN
            (
                {{sendings}}
            ) AS s ON e.user = s.user
        )
        GROUP BY
            user,
            campaign
    ) AS v ON o.user = v.user AND o.campaign = v.campaign
)
