-- privacy.delete_dead_letters: refused events by their places.  Caller: collector/privacy.py erase()
-- Params: app_ids, request_ids Array(String); indexes Array(UInt32), of the same length
-- Rows:   a condition over dead_letters
-- Source: privacy.letters
(app_id, request_id, event_index) IN (SELECT arrayJoin(arrayZip({app_ids:Array(String)}, {request_ids:Array(String)}, {indexes:Array(UInt32)})))
