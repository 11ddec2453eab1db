-- sessions.irregular: the session_ids that must be looked at event by event.  Caller: query_api/sessions.py _cut()
-- Params: those of sessions.whole; fragment whole (its irregular rows)
-- Rows:   user UInt64, session UInt64
-- Source: few: a client whose session_id lives longer than follow_ms, or two page views of one millisecond and seq.
SELECT
    user,
    session
FROM
(
    {{whole}}
)
WHERE irregular > 1
