-- events.rows_by_actor: as events.rows, one row for all events of an actor in a period that count alike.
-- Caller: query_api/events_plan.py rows_sql()
-- Params: starts Array(Int64) (epoch ms of the periods), numbers Array(UInt16) (0, 1, …); fragments sets (by_actor.py, with columns
--         is_<i>, and key with a breakdown), numbers (of a set), key (without one: the column)
-- Rows:   user UInt64, bucket_ms Int64, key String (packed, '' without a breakdown), is_<i>
-- Source: by_actor.py
SELECT
    * EXCEPT (number),
    {starts:Array(Int64)}[number + 1] AS bucket_ms{{key}}
FROM
(
    SELECT
        * EXCEPT (actor, word, bits),
        arrayJoin({{numbers}}) AS number
    FROM
    (
        {{sets}}
    )
)
