-- events.window_users: how the users of the last so many days come and go.  Caller: query_api/events_windows.py
-- Params: starts Array(Int64) (epoch ms of days), numbers Array(UInt16) (0, 1, …), window_days Int32; fragments rows (events.rows),
--         days (columns days_<i>: days on which a user is active), changes (columns changes_<i>), made by events_windows.py
-- Rows:   key String (packed), changes_<i> Tuple(Array(Int32), Array(Int64)): day numbers, and by how many users the number
--         of users of the window that ends with that day differs from the day before's
-- Source: a user with an event on day d is in the windows that end on d to d + window_days - 1; an event while the user is
--         in anyway only moves the end. So the price is that of the active days, not of days times the window's length.
SELECT
    key,
    {{changes}}
FROM
(
    SELECT
        key,
        user,
        {{days}}
    FROM
    (
        SELECT
            *,
            toInt32(transform(bucket_ms, {starts:Array(Int64)}, {numbers:Array(UInt16)}, toUInt16(0))) AS day
        FROM
        (
            {{rows}}
        )
    )
    GROUP BY
        key,
        user
)
GROUP BY key
