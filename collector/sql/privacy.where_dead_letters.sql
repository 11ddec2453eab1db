-- privacy.where_dead_letters: refused events that name an id of a person.  Caller: collector/privacy.py
-- Params: project String; ids_in_json Array(String) (as they stand there); until_ms Int64
-- Rows:   a condition over dead_letters
-- Source: what was refused may be no JSON, so the text is searched; rather one letter too many than one too few.
project = {project:String}
AND received_at <= fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
AND arrayExists(one -> position(raw, one) > 0 OR position(envelope, one) > 0, {ids_in_json:Array(String)})
