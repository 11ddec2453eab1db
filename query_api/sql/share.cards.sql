-- share.cards: one row for each card: the first share event of its share_id in its app.  Caller: query_api/share_sql.py
-- Params: fragments matches (a condition), key (an expression: Array(String)), source (all share events with a share_id)
-- Rows:   card UInt64, parent UInt64 (0: none named), app_id, share_id, parent_share_id, sharer UInt64 (a user), shared_ms Int64,
--         seq, event_id, claimed_depth Float64 (0: none), page, channel String, matches Bool, key, times UInt64 (share events)
-- Source: a card is known by siphash of its app and share_id; the two collide with a chance of 3e-8 among a million.
SELECT
    card,
    first_share.4 AS parent,
    first_share.5 AS app_id,
    first_share.6 AS share_id,
    first_share.7 AS parent_share_id,
    first_share.8 AS sharer,
    first_share.1 AS shared_ms,
    first_share.2 AS seq,
    first_share.3 AS event_id,
    first_share.9 AS claimed_depth,
    first_share.10 AS page,
    first_share.11 AS channel,
    first_share.12 AS matches,
    first_share.13 AS key,
    times
FROM
(
    SELECT
        sipHash64(toString(app_id), properties_text['share_id']) AS card,
        count() AS times,
        min(
            (
                toUnixTimestamp64Milli(occurred_at),
                seq,
                event_id,
                if(
                    properties_text['parent_share_id'] = '',
                    toUInt64(0),
                    sipHash64(toString(app_id), properties_text['parent_share_id'])
                ),
                toString(app_id),
                properties_text['share_id'],
                properties_text['parent_share_id'],
                user,
                properties_number['depth'],
                toString(page),
                properties_text['share_channel'],
                toBool({{matches}}),
                {{key}}
            )
        ) AS first_share
    FROM
    (
        {{source}}
    )
    GROUP BY card
)
