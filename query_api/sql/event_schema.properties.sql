-- event_schema.properties: every property seen in the newest events of each name.  Caller: query_api/event_schema.py read()
-- Params: app_ids Array(String), since_ms Int64 (epoch ms of occurred_at), max_rows UInt32
-- Rows:   event, property, type, events UInt64, first_ms, last_ms Int64; most frequent first
-- Source: integers beyond 2^53 stand in two maps and are numbers.
SELECT
    event,
    seen.1 AS property,
    seen.2 AS type,
    count() AS events,
    min(toUnixTimestamp64Milli(occurred_at)) AS first_ms,
    max(toUnixTimestamp64Milli(occurred_at)) AS last_ms
FROM
(
    SELECT
        event,
        occurred_at,
        arrayJoin(
            arrayConcat(
                arrayMap(name -> (toString(name), 'number'), mapKeys(properties_number)),
                arrayMap(
                    name -> (toString(name), 'string'),
                    arrayFilter(name -> NOT mapContains(properties_number, name), mapKeys(properties_text))
                ),
                arrayMap(name -> (toString(name), 'boolean'), mapKeys(properties_flag)),
                arrayMap(name -> (toString(name), 'list'), mapKeys(properties_list))
            )
        ) AS seen
    FROM events FINAL
    WHERE app_id IN {app_ids:Array(String)}
        AND occurred_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
)
GROUP BY
    event,
    property,
    type
ORDER BY
    events DESC,
    event,
    property,
    type
LIMIT {max_rows:UInt32}
