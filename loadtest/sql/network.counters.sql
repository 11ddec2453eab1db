-- network.counters: what this server has received over the network and computed since its start.  Caller: loadtest/network.py
-- Params: none
-- Rows:   one: received_bytes UInt64, cpu_us UInt64 (of all threads, in user and kernel)
-- Source: system.events
SELECT
    sumIf(value, event = 'NetworkReceiveBytes') AS received_bytes,
    sumIf(value, event = 'OSCPUVirtualTimeMicroseconds') AS cpu_us
FROM system.events
LIMIT 1
