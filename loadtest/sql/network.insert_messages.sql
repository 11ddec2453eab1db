-- network.insert_messages: a campaign to every tenth user, one of five held out.  Caller: loadtest/network.py
-- Params: project String; app_id String; users UInt64; from_ms Int64, epoch ms of the first day
-- Rows:   none
-- Source: the openids of queries.insert_events; sent after ten days
INSERT INTO messages (project, app_id, message_id, campaign, actor, arm, sent_at, delivered, imported_by, version)
SELECT
    {project:String},
    {app_id:String},
    toString(number),
    'back',
    xxh3(concat({project:String}, '\x1fopenid\x1f', {app_id:String}, '\x1fo', leftPad(toString(number * 10 + 1), 27, '0'))),
    if(number % 5 = 0, 'hold_out', 'treated'),
    fromUnixTimestamp64Milli({from_ms:Int64} + 864000000, 'UTC'),
    1,
    'loadtest',
    1
FROM numbers(intDiv({users:UInt64}, 10))
