-- sessions.kinds: whether any session has to be looked for event by event.  Caller: query_api/sessions.py _kinds()
-- Params: those of sessions.whole; fragment whole (its irregular rows)
-- Rows:   one for each: irregular UInt8
SELECT DISTINCT irregular
FROM
(
    {{whole}}
)
