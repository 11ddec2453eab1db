-- retention.measured_users: the columns in which a user has a measured event.  Caller: query_api/retention.py _counted()
-- Params: column_from, column_to Array(UInt16): periods of each column, both included
-- Rows:   a part of retention.measured: Array(Tuple(Int32, Float64)), of column n (from 0) -2 - n and 0
-- Source: a user of a column with several periods counts once.
,
arrayMap(
    number -> (toInt32(-1 - toInt32(number)), toFloat64(0)),
    arrayFilter(
        number -> arrayExists(
            pair -> pair.1 BETWEEN {column_from:Array(UInt16)}[number] AND {column_to:Array(UInt16)}[number],
            measured
        ),
        arrayEnumerate({column_from:Array(UInt16)})
    )
)
