-- recall.persons: who was sent, or held out of, which campaign.  Caller: query_api/recall.py _persons()
-- Params: project String; app_ids Array(String); range_from_ms, range_to_ms Int64 (epoch ms of sent_at, end exclusive); fragments
--         chosen (condition on the campaign), persons (source.map_…)
-- Rows:   campaign String, user UInt64, each pair once; arm_of_first String, first_sent_ms Int64, messages UInt64, was_delivered,
--         says_nothing (no row tells whether it was delivered), both_arms UInt8
-- Source: rows of one person under several ids are one person's.
SELECT
    campaign,
    user,
    argMin(arm, (sent_ms, app_id, message_id)) AS arm_of_first,
    min(sent_ms) AS first_sent_ms,
    countIf(arm = 'treated') AS messages,
    max(arm = 'treated' AND ifNull(delivered, 0) = 1) AS was_delivered,
    countIf(arm = 'treated' AND isNotNull(delivered)) = 0 AS says_nothing,
    uniqExact(arm) > 1 AS both_arms
FROM
(
    SELECT
        s.campaign AS campaign,
        toString(s.arm) AS arm,
        s.app_id AS app_id,
        s.message_id AS message_id,
        toUnixTimestamp64Milli(s.sent_at) AS sent_ms,
        s.delivered AS delivered,
        if(m.person != 0, m.person, s.actor) AS user
    FROM
    (
        SELECT *
        FROM messages FINAL
        WHERE project = {project:String}
            AND app_id IN {app_ids:Array(String)}
            AND sent_at >= fromUnixTimestamp64Milli({range_from_ms:Int64}, 'UTC')
            AND sent_at < fromUnixTimestamp64Milli({range_to_ms:Int64}, 'UTC')
            AND is_deleted = 0
            AND {{chosen}}
    ) AS s
    ANY LEFT JOIN
    (
        {{persons}}
    ) AS m ON s.actor = m.id_key
)
GROUP BY
    campaign,
    user
