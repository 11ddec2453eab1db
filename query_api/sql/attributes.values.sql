-- attributes.values: current values of some attributes of every person.  Caller: query_api/attributes.py joined()
-- Params: user_names Array(String); fragments source (user_* events), columns (a pivot of the parts by name)
-- Rows:   user UInt64, and the columns; a person without any of the attributes is absent
-- Source: the last user_set or user_unset decides; after an unset, or without either, the first user_set_once or
--         user_increment. Later increments add up, but for one that would lead beyond the greatest number: no answer can
--         hold infinity. Operations: 1 set, 2 set_once, 3 increment, 4 unset. The order is that of events, so copies and late
--         arrivals change nothing.
SELECT
    user,
    {{columns}}
FROM
(
    SELECT
        user,
        name,
        arraySort(groupArray((at_ms, seq, event_id, app_id, operation, value_kind, value_text, value_number, value_flag, value_list)))
            AS operations,
        arrayLastIndex(o -> o.5 IN (1, 4), operations) AS decisive,
        if(
            decisive > 0 AND operations[decisive].5 = 1,
            decisive,
            arrayFirstIndex((o, place) -> place > decisive, operations, arrayEnumerate(operations))
        ) AS base,
        operations[base] AS value,
        arrayFilter((o, place) -> place > base AND o.5 = 3, operations, arrayEnumerate(operations)) AS increments,
        if(base = 0, toUInt8(0), value.6) AS kind,
        if(kind = 1, value.7, '') AS text,
        arrayFold((sum, o) -> if(isFinite(sum + o.8), sum + o.8, sum), increments, value.8) AS number,
        if(kind = 2 AND value.7 != '' AND empty(increments), value.7, toString(number + 0)) AS number_text,
        value.9 AS flag,
        value.10 AS list
    FROM
    (
        SELECT
            user,
            name,
            toUnixTimestamp64Milli(occurred_at) AS at_ms,
            seq,
            event_id,
            toString(app_id) AS app_id,
            transform(toString(event), ['user_set', 'user_set_once', 'user_increment', 'user_unset'], [1, 2, 3, 4], 0) AS operation,
            multiIf(
                mapContains(properties_number, name), 2,
                mapContains(properties_text, name), 1,
                mapContains(properties_flag, name), 3,
                4
            ) AS value_kind,
            properties_text[name] AS value_text,
            properties_number[name] AS value_number,
            properties_flag[name] AS value_flag,
            properties_list[name] AS value_list
        FROM
        (
            SELECT
                *,
                arrayJoin({user_names:Array(String)}) AS name
            FROM
            (
                {{source}}
            )
        )
        WHERE (
                mapContains(properties_text, name)
                OR mapContains(properties_number, name)
                OR mapContains(properties_flag, name)
                OR mapContains(properties_list, name)
            )
            AND (event != 'user_increment' OR mapContains(properties_number, name))
    )
    GROUP BY
        user,
        name
)
GROUP BY user
