-- privacy.keep: store a receipt.  Caller: collector/privacy.py
-- Params: receipt_id, action, project String; done_ms Int64; ids UInt32; tables Array(String); numbers Array(UInt64)
-- Rows:   none
-- Source: without ids: what stays of the person is that it was erased.
INSERT INTO privacy_receipts (receipt_id, action, project, done_at, ids, rows)
SELECT
    {receipt_id:String},
    {action:String},
    {project:String},
    fromUnixTimestamp64Milli({done_ms:Int64}, 'UTC'),
    {ids:UInt32},
    mapFromArrays({tables:Array(String)}, {numbers:Array(UInt64)})
