-- history.known_letters: which requests have refused events stored already.  Caller: collector/history.py
-- Params: request_ids Array(String)
-- Rows:   request_id String, each once
-- Source: the request_id of an imported row follows from the row and its place, so a second run finds it.
SELECT DISTINCT request_id
FROM dead_letters
WHERE request_id IN {request_ids:Array(String)}
