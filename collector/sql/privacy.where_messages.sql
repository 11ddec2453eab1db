-- privacy.where_messages: messages that were sent to a person.  Caller: collector/privacy.py
-- Params: project String; keys Array(UInt64)
-- Rows:   a condition over messages
-- Source: imported under any id of the person.
project = {project:String} AND actor IN {keys:Array(UInt64)}
