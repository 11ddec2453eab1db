-- scenes.conversions: conversions by the row of the entry before them.  Caller: query_api/scenes.py conversions()
-- Params: fragments key (packed), matches (of entries), order (source.order), source (entries and conversions of the range, with the columns of
--         scenes.conversion)
-- Rows:   user UInt64, key String (packed; empty: the total), conversions UInt64, amount Float64; each (user, key) once
-- Source: one pass; a user's events in order, each with the last entry at or before it (arrayFill carries it on). A conversion
--         before any entry is in no row.
SELECT
    user,
    one.1 AS key,
    one.2 AS conversions,
    one.3 AS amount
FROM
(
    SELECT
        user,
        arrayJoin(
            arrayPushBack(
                groupArray((key, conversions, amount)),
                ('', sum(conversions), {{exact_sum(amount)}})
            )
        ) AS one
    FROM
    (
        SELECT
            user,
            credited.1 AS key,
            count() AS conversions,
            {{exact_sum(credited.2)}} AS amount
        FROM
        (
            SELECT
                user,
                arrayJoin(
                    arrayFilter(
                        (pair, entry, step) -> entry.3 AND step.4,
                        arrayMap(
                            (entry, step) -> (entry.2, step.5),
                            arrayFill(step -> step.3, steps) AS entries,
                            steps
                        ),
                        entries,
                        steps
                    )
                ) AS credited
            FROM
            (
                SELECT
                    user,
                    arraySort(groupArray((event_order, key, is_entry, is_conversion, amount))) AS steps
                FROM
                (
                    SELECT
                        user,
                        {{order}} AS event_order,
                        event IN ('app_launch', 'app_show') AND ({{matches}}) AS is_entry,
                        is_conversion,
                        if(is_entry, {{key}}, '') AS key,
                        amount
                    FROM
                    (
                        {{source}}
                    )
                )
                WHERE is_entry OR is_conversion
                GROUP BY user
                HAVING arrayExists(step -> step.4, steps)
            )
        )
        GROUP BY
            user,
            key
    )
    GROUP BY user
)
