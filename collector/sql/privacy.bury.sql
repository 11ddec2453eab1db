-- privacy.bury: store tombstones.  Caller: collector/privacy.py erase()
-- Params: keys Array(UInt64); erased_ms Int64; receipt_id String
-- Rows:   none
-- Source: the writer follows them within a second.
INSERT INTO erased_ids (id_key, erased_at, receipt_id)
SELECT
    arrayJoin({keys:Array(UInt64)}),
    fromUnixTimestamp64Milli({erased_ms:Int64}, 'UTC'),
    {receipt_id:String}
