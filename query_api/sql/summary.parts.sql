-- summary.parts: what each session adds to each period.  Caller: query_api/summary.py _parts()
-- Params: those of summary.part; fragments part (summary.part), source (events with the columns of summary.activity_events)
-- Rows:   user UInt64 and the columns of summary.part; a session has a row for each period
-- Source: where the person of an event is known only with the event, or its attributes decide.
SELECT
    user,
    {{part}}
FROM
(
    {{source}}
)
GROUP BY
    user,
    place
