-- privacy.where_identity_bindings: rows of identity_bindings that name an id of a person.  Caller: collector/privacy.py
-- Params: keys Array(UInt64); until_ms Int64 is not used: what binds anew is written anew
-- Rows:   a condition over identity_bindings
-- Source: a pair stands there from both sides, so both columns are looked at.
(id_key IN {keys:Array(UInt64)} OR other_key IN {keys:Array(UInt64)})
