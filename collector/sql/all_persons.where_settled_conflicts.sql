-- all_persons.where_settled_conflicts: rows of identity_conflicts that hold no more.  Caller: collector/all_persons.py
-- Params: keys Array(UInt64); settled Array(Tuple(UInt64, UInt64, UInt64)): id_key, other_key, highest version to remove
-- Rows:   a condition over identity_conflicts
-- Source: what a writer has listed again since has a higher version and stays.
id_key IN {keys:Array(UInt64)}
    AND arrayExists(one -> one.1 = id_key AND one.2 = other_key AND version <= one.3, {settled:Array(Tuple(UInt64, UInt64, UInt64))})
