-- promoters.touches_sharer: entries through a card, with its sharer.  Caller: query_api/promoters.py _touches()
-- Params: range_to_ms Int64; fragments found (promoters.first_touch or all_touches), order (source.order), entries, shares (sources; the
--         latter with the column made_share_id)
-- Rows:   user UInt64, found Array of (event_order, promoter, app_id)
-- Source: a card is that of the first share event of its share_id in its app; one's own card binds nobody.
SELECT
    user,
    {{found}} AS found
FROM
(
    SELECT
        entered.user AS user,
        entered.event_order AS event_order,
        toString(cards.sharer) AS promoter,
        entered.app_id AS app_id
    FROM
    (
        SELECT
            user,
            {{order}} AS event_order,
            toString(app_id) AS app_id,
            share_id
        FROM
        (
            {{entries}}
        )
    ) AS entered
    INNER JOIN
    (
        SELECT
            app_id,
            share_id,
            argMin(user, event_order) AS sharer
        FROM
        (
            SELECT
                user,
                {{order}} AS event_order,
                toString(app_id) AS app_id,
                made_share_id AS share_id
            FROM
            (
                {{shares}}
            )
        )
        GROUP BY
            app_id,
            share_id
    ) AS cards ON entered.app_id = cards.app_id AND entered.share_id = cards.share_id
    WHERE cards.sharer != entered.user
)
GROUP BY user
