-- retention.of_actors_first: the first of an actor's initial events, and the periods of the returning ones.
-- Caller: query_api/retention_sql.py patterns_sql()
-- Params: fragments is_initial, is_returning (conditions), period (number of an event's period, below 64)
-- Rows:   columns of a SELECT over events: initial_ms Int64 (0: none), returned_bits UInt64
-- Source: the first of a user is the first of all the user's actors.
minIf(toUnixTimestamp64Milli(occurred_at), {{is_initial}}) AS initial_ms,
groupBitOrIf(bitShiftLeft(toUInt64(1), {{period}}), {{is_returning}}) AS returned_bits
