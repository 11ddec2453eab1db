-- retention.of_actors_every: the periods of an actor's initial and returning events.  Caller: query_api/retention_sql.py patterns_sql()
-- Params: fragments is_initial, is_returning (conditions), period (number of an event's period, below 64)
-- Rows:   columns of a SELECT over events: initial_bits, returned_bits UInt64
-- Source: sets can be put together from parts.
groupBitOrIf(bitShiftLeft(toUInt64(1), {{period}}), {{is_initial}}) AS initial_bits,
groupBitOrIf(bitShiftLeft(toUInt64(1), {{period}}), {{is_returning}}) AS returned_bits
