-- network.received_bytes: what this server has received over the network since its start.  Caller: loadtest/network.py
-- Params: none
-- Rows:   one: bytes UInt64
-- Source: system.events, NetworkReceiveBytes
SELECT value AS bytes
FROM system.events
WHERE event = 'NetworkReceiveBytes'
LIMIT 1
