-- events.rows_by_actor: as events.rows, one row for all events of an actor in a period that count alike.
-- Caller: query_api/events_plan.py rows_sql()
-- Params: starts Array(Int64) (epoch ms of the periods), numbers Array(UInt16) (0, 1, …); fragments sets (by_actor.py, with columns
--         is_<i>, and key with a breakdown), numbers (of a set), key (without one: the column)
-- Rows:   user UInt64, bucket_ms Int64, key String (packed, '' without a breakdown), is_<i>, part_events UInt64: of all rows of a
--         key together the number of its events; of one period it says nothing
-- Source: by_actor.py
SELECT
    * EXCEPT (number, numbers, set_events),
    if(number = numbers[1], set_events, 0) AS part_events,
    {starts:Array(Int64)}[number + 1] AS bucket_ms{{key}}
FROM
(
    SELECT
        * EXCEPT (actor, word, bits),
        {{numbers}} AS numbers,
        arrayJoin(numbers) AS number
    FROM
    (
        {{sets}}
    )
)
