-- people.events: the events of some persons.  Caller: query_api/people.py events_of()
-- Params: persons Array(UInt64); fragment source (events that may be theirs)
-- Rows:   those of the source whose user is one of the persons
-- Source: the person is known only after the source resolved it.
SELECT *
FROM
(
    {{source}}
)
WHERE user IN {persons:Array(UInt64)}
