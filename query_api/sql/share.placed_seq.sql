-- share.placed_seq: events with their place in their user's order: epoch ms, and 20 bits of seq.  Caller: query_api/share_sql.py
-- Params: fragment events (source.sessions)
-- Rows:   those of events, and place UInt64
-- Source: two events of one place are in no order; where that matters share.placed_rank has it.
SELECT
    *,
    bitShiftLeft(toUInt64(toUnixTimestamp64Milli(occurred_at)), 20) + least(seq, 1048575) AS place
FROM
(
    {{events}}
)
