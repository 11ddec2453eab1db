-- events.window_changes: the changes of one measure.  Caller: query_api/events_windows.py
-- Params: window_days Int32; fragments active (a column: a user's active days in ascending order), changes (the name of the result)
-- Rows:   a column of events.window_users: aggregate over users
-- Source: a user enters on each active day, or when the day before's window ends, and leaves window_days after each; what
--         enters and leaves on one day is nothing.
sumMap(
    arrayConcat(
        arrayMap(
            (day, day_before) -> greatest(day, toInt32(day_before + {window_days:Int32})),
            {{active}},
            arrayResize(arrayPushFront({{active}}, toInt32(-2000000)), length({{active}}))
        ),
        arrayMap(day -> toInt32(day + {window_days:Int32}), {{active}})
    ),
    arrayConcat(
        arrayMap(day -> toInt64(1), {{active}}),
        arrayMap(day -> toInt64(-1), {{active}})
    )
) AS {{changes}}
