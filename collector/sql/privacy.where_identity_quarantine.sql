-- privacy.where_identity_quarantine: quarantined ids of a person.  Caller: collector/privacy.py
-- Params: keys Array(UInt64); until_ms Int64 is not used
-- Rows:   a condition over identity_quarantine
-- Source: such an id makes no person, but it is one's own when it is asked for.
id_key IN {keys:Array(UInt64)}
