-- privacy.where_identity_map: which ids a person had.  Caller: collector/privacy.py
-- Params: keys Array(UInt64)
-- Rows:   a condition over identity_map
-- Source: the ids of the person; keys are hashes of them.
id_key IN {keys:Array(UInt64)}
