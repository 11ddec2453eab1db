-- promoters.bound: the acts and the bindings of each user, the latter in the order of events.  Caller: query_api/promoters.py _facts()
-- Params: fragments acts (by_actor.collected over promoters.numbers), touches (the same over promoters.touches_field, or
--         promoters.touches_sharer), kept (promoters.kept_*)
-- Rows:   user UInt64; bindings Array of (event_order, at_ms, promoter, event_id, app_id); acts Array of (kind UInt8: 2 registration, 3
--         order; an event like a binding, without promoter; amount, base Float64)
-- Source: a user touches few times; the arrays are short. Time and id stand in event_order (source.order) and leave a shard in it alone.
SELECT
    user,
    arrayMap(
        touch -> (
            touch.1,
            reinterpretAsInt64(reverse(substring(touch.1, 1, 8))),
            touch.2,
            substring(touch.1, 13),
            touch.3
        ),
        arraySort(all_found)
    ) AS touches,
    {{kept}} AS bindings,
    arrayMap(
        act -> (
            act.1,
            (act.2, reinterpretAsInt64(reverse(substring(act.2, 1, 8))), '', substring(act.2, 13), act.3),
            act.4,
            act.5
        ),
        arrayConcat(
            arrayMap(act -> (toUInt8(2), act.3, act.4, act.5, act.6), arrayFilter(act -> act.1, all_acted)),
            arrayMap(act -> (toUInt8(3), act.3, act.4, act.5, act.6), arrayFilter(act -> act.2, all_acted))
        )
    ) AS acts
FROM
(
    SELECT
        user,
        groupArrayArray(acted) AS all_acted,
        groupArrayArray(found) AS all_found
    FROM
    (
        SELECT
            user,
            acted,
            CAST([], 'Array(Tuple(String, String, String))') AS found
        FROM
        (
            {{acts}}
        )
        UNION ALL
        SELECT
            user,
            CAST([], 'Array(Tuple(UInt8, UInt8, String, String, Float64, Float64))') AS acted,
            found
        FROM
        (
            {{touches}}
        )
    )
    GROUP BY user
)
